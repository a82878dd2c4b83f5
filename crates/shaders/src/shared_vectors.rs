//! Finds stores to one component of a vector that several threads can reach.
//!
//! WGSL lets a store to a component access all of the vector (<https://github.com/gpuweb/gpuweb/issues/2112>), as Metal and
//! Direct3D do: where one thread stores to `v.x` and another to `v.y`, one of the two may be lost. So in workgroup and in
//! storage memory a vector is stored whole, and what threads write for themselves are scalars or elements of arrays.

use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{AddressSpace, Expression, Function, Module, Statement, TypeInner};

use crate::contraction::{all_functions, all_statements};

/// Bytes of the text at which a component of a vector in workgroup or storage memory is stored to, in their order.
pub(crate) fn component_stores(module: &Module, info: &ModuleInfo) -> Vec<usize> {
    let mut bytes: Vec<usize> = all_functions(module, info)
        .flat_map(|(function, info)| of_function(module, function, info))
        .collect();
    bytes.sort_unstable();
    bytes
}

fn of_function(module: &Module, function: &Function, info: &FunctionInfo) -> Vec<usize> {
    let mut bytes = Vec::new();
    for statement in all_statements(&function.body) {
        let Statement::Store { pointer, .. } = statement else { continue };
        let (Expression::AccessIndex { base, .. } | Expression::Access { base, .. }) =
            function.expressions[*pointer]
        else {
            continue;
        };
        let space = match info[base].ty.inner_with(&module.types) {
            TypeInner::Pointer { base, space } => {
                matches!(module.types[*base].inner, TypeInner::Vector { .. }).then_some(*space)
            }
            TypeInner::ValuePointer { size: Some(_), space, .. } => Some(*space),
            _ => None,
        };
        if matches!(space, Some(AddressSpace::WorkGroup | AddressSpace::Storage { .. })) {
            bytes.push(function.expressions.get_span(*pointer).to_range().map_or(0, |range| range.start));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use crate::kernel::{Kernel, Variant};
    use crate::representative::{places, systems};
    use crate::source::source;
    use crate::validate::validate;

    #[test]
    fn stores_to_one_component_in_workgroup_and_storage_memory_are_found_and_in_a_thread_s_own_are_not() {
        let kernel = source(Kernel::Kspace, Variant::Forces, &systems()[0], &places());
        let store = "columns[(X_B * a + b) * 17u + column] = multiply(x[a],";
        let is_found = |right: &str, wrong: &str| {
            let slipped = kernel.with_slip(right, wrong);
            let Err(error) = validate(&slipped) else { return false };
            let (file, line) = slipped.locate(slipped.text.find(wrong).unwrap()).unwrap();
            assert_eq!(error.place, format!("{file}:{line}"));
            assert!(error.finding.contains("stores to one component of a vector"), "{error}");
            true
        };
        assert!(is_found(
            store,
            "columns[column].y = x[a].y; columns[(X_B * a + b) * 17u + column] = multiply(x[a],"
        ));
        assert!(is_found(
            store,
            "columns[column][a] = x[a].y; columns[(X_B * a + b) * 17u + column] = multiply(x[a],"
        ));
        assert!(is_found(
            store,
            "mesh[column].x = x[a].y; columns[(X_B * a + b) * 17u + column] = multiply(x[a],"
        ));
        assert!(!is_found(store, "x[a].x = x[a].y; columns[(X_B * a + b) * 17u + column] = multiply(x[a],"));
        assert!(!is_found(
            store,
            "partials[a] = x[a].y; columns[(X_B * a + b) * 17u + column] = multiply(x[a],"
        ));
    }
}
