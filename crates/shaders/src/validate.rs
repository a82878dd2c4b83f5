//! Validates composed shaders as wgpu does before it compiles them for a device, and by the rules of this project:
//! every bit is the shader's own ([`crate::contraction`]), and no two threads store into one vector
//! ([`crate::shared_vectors`]).

use naga::Module;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

use crate::contraction::{Slip, bare_products};
use crate::kernel::{Kernel, Variant};
use crate::representative::{places, systems};
use crate::shared_vectors::component_stores;
use crate::source::{Source, source};

/// A shader that no device would take, or whose results would depend on the device's compiler.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{place}: the kernel `{kernel}` is not valid ({purpose})\n{finding}")]
pub struct InvalidShader {
    /// File or generated piece, and line there.
    pub place: String,
    /// Name of the kernel.
    pub kernel: &'static str,
    /// What it was put together for.
    pub purpose: String,
    /// What naga says, with lines of the composed text; or which lines break which rule, and how to mend them.
    pub finding: String,
}

impl InvalidShader {
    fn new(source: &Source, byte: Option<u32>, finding: String) -> Self {
        let kernel = source.kernel.name();
        let place =
            byte.map_or_else(|| format!("shaders/{kernel}.wgsl"), |byte| place(source, byte as usize));
        Self { place, kernel, purpose: source.purpose.clone(), finding }
    }
}

/// File or generated piece, and line there, of a byte of the text.
fn place(source: &Source, byte: usize) -> String {
    source.locate(byte).map_or_else(|| "the kernel".to_owned(), |(name, line)| format!("{name}:{line}"))
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

/// Parses and validates the source of a kernel, which may use nothing that is optional for a device, add no product bare, and
/// store to no component of a vector that threads share.
pub fn validate(source: &Source) -> Result<Module, InvalidShader> {
    let (text, kernel) = (source.text.as_str(), source.kernel.name());
    // naga's line numbers count in the composed text.
    let path = format!("{kernel} as composed");
    let module = naga::front::wgsl::parse_str(text).map_err(|error| {
        let byte = error.location(text).map(|location| location.offset);
        InvalidShader::new(source, byte, error.emit_to_string_with_path(text, &path))
    })?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    let info = validator.validate(&module).map_err(|error| {
        let byte = error.location(text).map(|location| location.offset);
        InvalidShader::new(source, byte, error.emit_to_string_with_path(text, &path))
    })?;
    if let Some((byte, finding)) = broken_rules(source, &module, &info) {
        return Err(InvalidShader::new(source, Some(byte), finding));
    }
    if module.entry_points.iter().any(|entry| entry.name == kernel) {
        Ok(module)
    } else {
        let finding =
            format!("there is no entry point `{kernel}`, which is what a kernel of this name begins with");
        Err(InvalidShader::new(source, None, finding))
    }
}

/// Findings by the rules of this project, a line each; `None` if there are none.
fn broken_rules(source: &Source, module: &Module, info: &ModuleInfo) -> Option<(u32, String)> {
    let products = bare_products(module, info).into_iter().map(|found| {
        let what = match found.slip {
            Slip::BareProduct(product) => format!(
                "adds bare the product of {}: write fma(a, b, c), or add before you multiply",
                place(source, product)
            ),
            Slip::Expanded(name, remedy) => format!("{name} leaves its bits to the compiler: write {remedy}"),
        };
        (found.byte, what)
    });
    let stores = component_stores(module, info).into_iter().map(|byte| {
        let what = "stores to one component of a vector that threads share, which may touch all of it: \
                    store the whole vector, or use scalars";
        (byte, what.to_owned())
    });
    let mut findings: Vec<(usize, String)> = products.chain(stores).collect();
    findings.sort();
    let first = u32::try_from(findings.first()?.0).ok()?;
    let mut lines: Vec<String> =
        findings.iter().map(|(byte, what)| format!("{}: {what}", place(source, *byte))).collect();
    lines.dedup();
    Some((first, lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(kernel: Kernel) -> Source {
        let composed = source(kernel, Variant::Virial, &systems()[0], &places());
        assert_eq!(validate(&composed).err(), None);
        composed
    }

    /// What [`crate::dimensions::workgroup_bytes`] counts by hand is what the kernels declare.
    #[test]
    fn workgroup_memory_is_what_the_dimensions_say() {
        for dimensions in systems() {
            let needed = Kernel::ALL.map(|kernel| {
                let module = validate(&source(kernel, Variant::Virial, &dimensions, &places())).unwrap();
                let mut layouter = naga::proc::Layouter::default();
                layouter.update(module.to_ctx()).unwrap();
                let shared = module.global_variables.iter().map(|(_, variable)| variable);
                shared
                    .filter(|variable| variable.space == naga::AddressSpace::WorkGroup)
                    .map(|variable| layouter[variable.ty].size as usize)
                    .sum::<usize>()
            });
            let (stated, largest) = (dimensions.workgroup_bytes(), needed.into_iter().max().unwrap());
            // Drivers may align each variable to 16 bytes.
            assert!((largest..largest + 320).contains(&stated), "{stated} stated, {needed:?} declared");
        }
    }

    /// Line of a file under `shaders/` in which a text comes first.
    fn line(file: &str, text: &str) -> usize {
        file.lines().position(|line| line.contains(text)).unwrap() + 1
    }

    #[test]
    fn a_text_that_cannot_be_parsed_is_found_in_its_file() {
        let error =
            validate(&kernel(Kernel::Far).with_slip("return fma(vec2(a.x), b", "return fma(vec2(a.w), b"));
        let error = error.unwrap_err();
        let at = line(include_str!("../../../shaders/shared/mesh.wgsl"), "return fma(vec2(a.x), b");
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
    fn every_kernel_of_every_system_is_valid_and_breaks_no_rule() {
        assert_eq!(validate_all(), Ok(()));
    }

    #[test]
    fn mesh_forces_of_all_planes_that_a_spline_reaches_fit_into_32_bits() {
        for dimensions in systems() {
            let module = validate(&source(Kernel::Far, Variant::Forces, &dimensions, &places())).unwrap();
            let (_, constant) =
                module.constants.iter().find(|(_, c)| c.name.as_deref() == Some("FORCE_LIMIT")).unwrap();
            let naga::Expression::Literal(naga::Literal::F32(limit)) =
                module.global_expressions[constant.init]
            else {
                panic!("FORCE_LIMIT is no number");
            };
            // A share below an integer limit rounds to at most the limit.
            assert_eq!(limit.fract(), 0.0);
            let planes = dimensions.order as u64;
            let (sum, largest) = (limit as u64 * planes, u64::from(i32::MAX.unsigned_abs()));
            // And the range is used, but for the rounding down.
            assert!((largest - 1024 * planes..=largest).contains(&sum), "order {planes}: {sum}");
        }
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
