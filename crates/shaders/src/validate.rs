//! Validates composed shaders as wgpu does before it compiles them for a device.

use naga::valid::{Capabilities, ValidationFlags, Validator};

use crate::kernel::{Kernel, Variant};
use crate::representative::{places, systems};
use crate::source::{Source, source};

/// A shader that no device would take.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{place}: the kernel `{kernel}` is not valid ({purpose})\n{finding}")]
pub struct InvalidShader {
    /// File or generated piece, and line there.
    pub place: String,
    /// Name of the kernel.
    pub kernel: &'static str,
    /// What it was put together for.
    pub purpose: String,
    /// What naga says, with lines of the composed text.
    pub finding: String,
}

impl InvalidShader {
    fn new(source: &Source, byte: Option<u32>, finding: String) -> Self {
        let kernel = source.kernel.name();
        let place = byte
            .and_then(|byte| source.locate(byte as usize))
            .map_or_else(|| format!("shaders/{kernel}.wgsl"), |(name, line)| format!("{name}:{line}"));
        Self { place, kernel, purpose: source.purpose.clone(), finding }
    }
}

/// Validates all variants of all kernels for all [`systems`]; the first that is wrong is the error.
pub fn validate_all() -> Result<(), InvalidShader> {
    let places = places();
    for dimensions in systems() {
        for kernel in Kernel::ALL {
            for variant in Variant::ALL {
                validate(&source(kernel, variant, &dimensions, &places))?;
            }
        }
    }
    Ok(())
}

/// Parses and validates the source of a kernel, which may use nothing that is optional for a device.
pub fn validate(source: &Source) -> Result<naga::Module, InvalidShader> {
    let (text, kernel) = (source.text.as_str(), source.kernel.name());
    // naga's line numbers count in the composed text.
    let path = format!("{kernel} as composed");
    let module = naga::front::wgsl::parse_str(text).map_err(|error| {
        let byte = error.location(text).map(|location| location.offset);
        InvalidShader::new(source, byte, error.emit_to_string_with_path(text, &path))
    })?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    validator.validate(&module).map_err(|error| {
        let byte = error.location(text).map(|location| location.offset);
        InvalidShader::new(source, byte, error.emit_to_string_with_path(text, &path))
    })?;
    if module.entry_points.iter().any(|entry| entry.name == kernel) {
        Ok(module)
    } else {
        let finding =
            format!("there is no entry point `{kernel}`, which is what a kernel of this name begins with");
        Err(InvalidShader::new(source, None, finding))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(kernel: Kernel) -> Source {
        let composed = source(kernel, Variant::Virial, &systems()[0], &places());
        assert_eq!(validate(&composed).err(), None);
        composed
    }

    /// Line of a file under `shaders/` in which a text comes first.
    fn line(file: &str, text: &str) -> usize {
        file.lines().position(|line| line.contains(text)).unwrap() + 1
    }

    #[test]
    fn a_text_that_cannot_be_parsed_is_found_in_its_file() {
        let error = validate(
            &kernel(Kernel::Far).with_slip("return vec2(a.x * b.x - a.y", "return vec2(a.x * b.x - a.w"),
        );
        let error = error.unwrap_err();
        let at = line(include_str!("../../../shaders/shared/mesh.wgsl"), "return vec2(a.x * b.x - a.y");
        assert_eq!(error.place, format!("shaders/shared/mesh.wgsl:{at}"));
        let message = error.to_string();
        for part in [
            "kernel `far`",
            "variant Virial",
            "rigid molecules",
            "order 4",
            "[8, 10, 12]",
            "invalid field accessor `w`",
        ] {
            assert!(message.contains(part), "{part} is not in:\n{message}");
        }
    }

    #[test]
    fn a_type_error_is_found_by_the_validator() {
        let error = validate(
            &kernel(Kernel::Far)
                .with_slip("let plane = group.x;", "let plane = group.x;\n    if plane { return; }"),
        );
        let error = error.unwrap_err();
        // naga names the expression that has the wrong type, not its use.
        let at = line(include_str!("../../../shaders/far.wgsl"), "let plane = group.x;");
        assert_eq!(error.place, format!("shaders/far.wgsl:{at}"));
        assert!(error.finding.contains("is not a boolean scalar"), "{error}");
    }

    #[test]
    fn generated_code_is_named() {
        let error =
            validate(&kernel(Kernel::Near).with_slip("fn spline_slopes(t: f32)", "fn spline_slopes(u: f32)"));
        assert!(error.unwrap_err().place.starts_with("generated splines:"));
    }

    #[test]
    fn a_kernel_without_its_entry_point_is_refused() {
        let error = validate(&kernel(Kernel::Advance).with_slip("fn advance(", "fn move_on("));
        assert!(error.unwrap_err().finding.contains("no entry point `advance`"));
    }
}
