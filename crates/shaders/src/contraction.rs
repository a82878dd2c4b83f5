//! Finds what a compiler may contract: products of reals that are added bare.
//!
//! Where `x * y + z` is written, a compiler may round the product, or fuse it into fma(x, y, z), which rounds once: WGSL and
//! SPIR-V allow either (<https://www.w3.org/TR/WGSL/#floating-point-evaluation>), and what it chooses depends on the text
//! around it, for instance on whether the product is needed elsewhere. So the variants of a kernel, which must give forces the
//! same bits, add no product bare: every product that is added to something is an operand of an explicit `fma`, or the
//! formula adds before it multiplies.
//!
//! [`bare_products`] proves this of naga's intermediate representation. *May be a product* is a property of every component
//! of every value, found by iteration to a fixed point, without regard to the order of statements:
//!
//! * x y and x/y have it, since compilers make x (1/y) of a quotient; not where a factor or the divisor is a constant power
//!   of two (an exact scaling: what the other operand has passes through), nor c/y with c such a constant (a scaled
//!   reciprocal);
//! * it passes through negation, abs, min, max, clamp, select, bitcast, through vectors, structures, arrays, and through
//!   variables, parameters and results of functions, workgroup and storage memory, by member and component, elements of an
//!   array being held for one;
//! * fma(x, y, z) does not have it, whatever its operands; where a constant factor is 1 it is an addition, where z is a
//!   constant zero it is a product, as compilers simplify it;
//!   An accumulator that begins with zero is taken for a sum, although its first fma is a product where a loop is unrolled: added to
//!   something after a single term it would be a bare one;
//! * conversions between integers and reals end it, integer arithmetic on the bits of a real ends it, and so do sums, round,
//!   floor, ceil, trunc, sign, step, exp2, log2, inverseSqrt, and sqrt, whose precision in Vulkan is that of 1/inverseSqrt
//!   (<https://docs.vulkan.org/spec/latest/appendices/spirvenv.html#spirvenv-precision-operation>).
//!
//! A sum or difference of reals with an operand that may be a product is a finding; so is any function or operator with sums
//! of products within, as `dot`, `cross`, `length`, `mix`, a matrix times a vector, or with an expansion that is the driver's
//! own affair, as `pow` and `sin`.
//!
//! This proof is the guarantee: software devices (lavapipe) fuse nothing, so that on them variants agree whatever is written.
//! It holds against contraction, which every driver may do by default; not against a driver that reassociates sums, nor against one that makes
//! fma a product and a sum (the self-test of a device says "rounds twice") and contracts these with their neighbours afterwards.

use std::collections::BTreeSet;

use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{
    Arena, BinaryOperator, Block, Expression, Function, Handle, Literal, MathFunction, Module, ScalarKind,
    Statement, TypeInner,
};

/// A place in a shader whose bits are left to the compiler.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Byte of the text at which it begins.
    pub byte: usize,
    /// What is wrong.
    pub slip: Slip,
}

/// What leaves bits to the compiler.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slip {
    /// A product is added or subtracted; the byte of the text at which the product begins.
    BareProduct(usize),
    /// A function or operator that is not one rounded operation, and what to write instead.
    Expanded(&'static str, &'static str),
}

/// All places of a module that leave bits to the compiler, in the order of the text.
pub(crate) fn bare_products(module: &Module, info: &ModuleInfo) -> Vec<Finding> {
    let mut analysis = Analysis::new(module, info);
    analysis.solve();
    let findings: BTreeSet<Finding> = analysis.bodies.iter().flat_map(Body::findings).collect();
    findings.into_iter().collect()
}

/// Where a value that may be a product was multiplied (byte of the text); `None` if it is no product.
type Mark = Option<usize>;

/// The property of a value or variable, for each of its parts. All elements of an array have that of one, all columns of a
/// matrix that of one.
#[derive(Clone, Debug, PartialEq)]
enum Marks {
    Scalar(Mark),
    /// Components of a vector, members of a structure.
    Parts(Vec<Marks>),
}

impl Marks {
    const CLEAN: Self = Self::Scalar(None);

    /// A value of this type, or what a pointer of this type points to, that is no product anywhere.
    fn clean(module: &Module, ty: &TypeInner) -> Self {
        let of = |handle: Handle<naga::Type>| Self::clean(module, &module.types[handle].inner);
        match ty {
            TypeInner::Vector { size, .. }
            | TypeInner::Matrix { rows: size, .. }
            | TypeInner::ValuePointer { size: Some(size), .. } => {
                Self::Parts(vec![Self::CLEAN; *size as usize])
            }
            TypeInner::Array { base, .. } | TypeInner::Pointer { base, .. } => of(*base),
            TypeInner::Struct { members, .. } => {
                Self::Parts(members.iter().map(|member| of(member.ty)).collect())
            }
            _ => Self::CLEAN,
        }
    }

    /// The first mark.
    fn any(&self) -> Mark {
        match self {
            Self::Scalar(mark) => *mark,
            Self::Parts(parts) => parts.iter().find_map(Self::any),
        }
    }

    /// Adds the marks of another value; true if there are more now. A scalar beside parts stands for each of them.
    fn join(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scalar(Some(_)), _) => false,
            (Self::Scalar(mark), other) => {
                *mark = other.any();
                mark.is_some()
            }
            (Self::Parts(parts), Self::Parts(others)) => {
                parts.iter_mut().zip(others).fold(false, |more, (part, other)| part.join(other) | more)
            }
            (Self::Parts(parts), scalar) => {
                parts.iter_mut().fold(false, |more, part| part.join(scalar) | more)
            }
        }
    }

    /// Adds marks at a place; true if there are more now.
    fn join_at(&mut self, path: &[Step], value: &Self) -> bool {
        let Some((step, rest)) = path.split_first() else { return self.join(value) };
        match (step, self) {
            (Step::Part(n), Self::Parts(parts)) => {
                parts.get_mut(*n).is_some_and(|part| part.join_at(rest, value))
            }
            (Step::AnyPart, Self::Parts(parts)) => {
                parts.iter_mut().fold(false, |more, part| part.join_at(rest, value) | more)
            }
            (_, marks) => marks.join_at(rest, value),
        }
    }

    fn part(&self, step: Step) -> Self {
        match (step, self) {
            (Step::Part(n), Self::Parts(parts)) => parts.get(n).cloned().unwrap_or(Self::CLEAN),
            (Step::AnyPart, Self::Parts(_)) => Self::Scalar(self.any()),
            _ => self.clone(),
        }
    }

    fn at(&self, path: &[Step]) -> Self {
        match path.split_first() {
            None => self.clone(),
            Some((Step::Part(n), rest)) => match self {
                Self::Parts(parts) => parts.get(*n).map_or(Self::CLEAN, |part| part.at(rest)),
                Self::Scalar(_) => self.at(rest),
            },
            Some((Step::AnyPart, rest)) => self.part(Step::AnyPart).at(rest),
            Some((Step::Element, rest)) => self.at(rest),
        }
    }
}

/// A step from a value into it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// Into a known member or component.
    Part(usize),
    /// Into a component that is known only when the shader runs.
    AnyPart,
    /// Into an element of an array or a column of a matrix.
    Element,
}

impl Step {
    /// The step from a value of this type, or from a pointer to one.
    fn into(module: &Module, ty: &TypeInner, index: Option<u32>) -> Self {
        match ty {
            TypeInner::Pointer { base, .. } => Self::into(module, &module.types[*base].inner, index),
            TypeInner::Vector { .. } | TypeInner::ValuePointer { .. } | TypeInner::Struct { .. } => {
                index.map_or(Self::AnyPart, |index| Self::Part(index as usize))
            }
            _ => Self::Element,
        }
    }
}

/// What a pointer points into.
#[derive(Clone, Copy, Debug)]
enum Root {
    Global(usize),
    Local(usize),
    Parameter(usize),
}

/// A function or an entry point, and what is known of it.
struct Body<'a> {
    module: &'a Module,
    function: &'a Function,
    info: &'a FunctionInfo,
    /// All its statements.
    statements: Vec<&'a Statement>,
    /// Of a parameter's value; of what it points to if it is a pointer.
    parameters: Vec<Marks>,
    locals: Vec<Marks>,
    result: Marks,
    expressions: Vec<Marks>,
    /// Functions that call it, by their place in [`Analysis::bodies`].
    callers: Vec<usize>,
    /// Something that it depends on has changed.
    changed: bool,
}

struct Analysis<'a> {
    globals: Vec<Marks>,
    /// Functions in the order of the module, then entry points.
    bodies: Vec<Body<'a>>,
}

impl<'a> Analysis<'a> {
    fn new(module: &'a Module, info: &'a ModuleInfo) -> Self {
        let mut bodies: Vec<Body> =
            all_functions(module, info).map(|(function, info)| Body::new(module, function, info)).collect();
        for caller in 0..bodies.len() {
            for k in 0..bodies[caller].statements.len() {
                if let Statement::Call { function, .. } = bodies[caller].statements[k] {
                    bodies[function.index()].callers.push(caller);
                }
            }
        }
        let variables = module.global_variables.iter();
        let globals = variables.map(|(_, variable)| Marks::clean(module, &module.types[variable.ty].inner));
        Self { globals: globals.collect(), bodies }
    }

    /// Marks only ever become more, so that this ends.
    fn solve(&mut self) {
        while let Some(n) = self.bodies.iter().position(|body| body.changed) {
            self.bodies[n].changed = false;
            self.evaluate(n);
            self.execute(n);
        }
    }

    /// Marks of all expressions of a function. An expression comes after its operands.
    fn evaluate(&mut self, n: usize) {
        let function = self.bodies[n].function;
        for (handle, expression) in function.expressions.iter() {
            let body = &self.bodies[n];
            let marks = match expression {
                // Known from statements.
                Expression::AtomicResult { .. } | Expression::WorkGroupUniformLoadResult { .. } => continue,
                Expression::CallResult(callee) => self.bodies[callee.index()].result.clone(),
                Expression::Load { pointer } => self.load(n, *pointer),
                _ => body.value(handle, expression),
            };
            self.bodies[n].expressions[handle.index()] = marks;
        }
    }

    fn load(&self, n: usize, pointer: Handle<Expression>) -> Marks {
        let body = &self.bodies[n];
        let Some((root, path)) = body.place(pointer) else { return Marks::CLEAN };
        match root {
            Root::Global(k) => self.globals[k].at(&path),
            Root::Local(k) => body.locals[k].at(&path),
            Root::Parameter(k) => body.parameters[k].at(&path),
        }
    }

    /// What the statements of a function do to variables, parameters and results.
    fn execute(&mut self, n: usize) {
        for k in 0..self.bodies[n].statements.len() {
            let body = &self.bodies[n];
            let marks = |handle: &Handle<Expression>| body.expressions[handle.index()].clone();
            match body.statements[k] {
                Statement::Store { pointer, value } => {
                    let value = marks(value);
                    self.store(n, *pointer, &value);
                }
                Statement::Atomic { pointer, value, result, .. } => {
                    let value = marks(value);
                    self.store(n, *pointer, &value);
                    if let Some(result) = result {
                        self.learn(n, *pointer, *result);
                    }
                }
                Statement::WorkGroupUniformLoad { pointer, result } => self.learn(n, *pointer, *result),
                Statement::Return { value: Some(value) } => {
                    let value = marks(value);
                    if self.bodies[n].result.join(&value) {
                        self.tell_callers(n);
                    }
                }
                Statement::Call { function, arguments, .. } => self.call(n, function.index(), arguments),
                _ => {}
            }
        }
    }

    fn store(&mut self, n: usize, pointer: Handle<Expression>, value: &Marks) {
        let Some((root, path)) = self.bodies[n].place(pointer) else { return };
        let body = &mut self.bodies[n];
        match root {
            Root::Global(k) => {
                if self.globals[k].join_at(&path, value) {
                    self.bodies.iter_mut().for_each(|body| body.changed = true);
                }
            }
            Root::Local(k) => body.changed |= body.locals[k].join_at(&path, value),
            Root::Parameter(k) => {
                if body.parameters[k].join_at(&path, value) {
                    body.changed = true;
                    self.tell_callers(n);
                }
            }
        }
    }

    /// The result of a statement is what is stored at a place.
    fn learn(&mut self, n: usize, pointer: Handle<Expression>, result: Handle<Expression>) {
        let found = self.load(n, pointer);
        let body = &mut self.bodies[n];
        body.changed |= body.expressions[result.index()].join(&found);
    }

    /// Values go into a function; what a pointer points to goes in and comes out.
    fn call(&mut self, n: usize, callee: usize, arguments: &[Handle<Expression>]) {
        for (k, argument) in arguments.iter().enumerate() {
            let points = self.bodies[n].points(*argument);
            let given = if points {
                self.load(n, *argument)
            } else {
                self.bodies[n].expressions[argument.index()].clone()
            };
            let body = &mut self.bodies[callee];
            body.changed |= body.parameters[k].join(&given);
            if points {
                let left = body.parameters[k].clone();
                self.store(n, *argument, &left);
            }
        }
    }

    fn tell_callers(&mut self, n: usize) {
        for k in 0..self.bodies[n].callers.len() {
            let caller = self.bodies[n].callers[k];
            self.bodies[caller].changed = true;
        }
    }
}

impl<'a> Body<'a> {
    fn new(module: &'a Module, function: &'a Function, info: &'a FunctionInfo) -> Self {
        let clean = |ty: Handle<naga::Type>| Marks::clean(module, &module.types[ty].inner);
        let of_expression = |handle: Handle<Expression>| match info[handle].ty.inner_with(&module.types) {
            TypeInner::Pointer { .. } | TypeInner::ValuePointer { .. } => Marks::CLEAN,
            ty => Marks::clean(module, ty),
        };
        Self {
            module,
            function,
            info,
            statements: all_statements(&function.body),
            parameters: function.arguments.iter().map(|argument| clean(argument.ty)).collect(),
            locals: function.local_variables.iter().map(|(_, variable)| clean(variable.ty)).collect(),
            result: function.result.as_ref().map_or(Marks::CLEAN, |result| clean(result.ty)),
            expressions: function.expressions.iter().map(|(handle, _)| of_expression(handle)).collect(),
            callers: Vec::new(),
            changed: true,
        }
    }

    fn ty(&self, handle: Handle<Expression>) -> &TypeInner {
        self.info[handle].ty.inner_with(&self.module.types)
    }

    fn points(&self, handle: Handle<Expression>) -> bool {
        matches!(self.ty(handle), TypeInner::Pointer { .. } | TypeInner::ValuePointer { .. })
    }

    fn is_real(&self, handle: Handle<Expression>) -> bool {
        self.ty(handle).scalar_kind() == Some(ScalarKind::Float)
    }

    fn is_matrix(&self, handle: Handle<Expression>) -> bool {
        matches!(self.ty(handle), TypeInner::Matrix { .. })
    }

    fn marks(&self, handle: Handle<Expression>) -> &Marks {
        &self.expressions[handle.index()]
    }

    fn any(&self, handles: &[Handle<Expression>]) -> Mark {
        handles.iter().find_map(|handle| self.marks(*handle).any())
    }

    fn start(&self, handle: Handle<Expression>) -> usize {
        self.function.expressions.get_span(handle).to_range().map_or(0, |range| range.start)
    }

    /// Where a pointer points.
    fn place(&self, pointer: Handle<Expression>) -> Option<(Root, Vec<Step>)> {
        let (base, index) = match self.function.expressions[pointer] {
            Expression::GlobalVariable(variable) => {
                return Some((Root::Global(variable.index()), Vec::new()));
            }
            Expression::LocalVariable(variable) => return Some((Root::Local(variable.index()), Vec::new())),
            Expression::FunctionArgument(k) => return Some((Root::Parameter(k as usize), Vec::new())),
            Expression::AccessIndex { base, index } => (base, Some(index)),
            Expression::Access { base, .. } => (base, None),
            _ => return None,
        };
        let (root, mut path) = self.place(base)?;
        path.push(Step::into(self.module, self.ty(base), index));
        Some((root, path))
    }

    /// Marks of an expression that depends on operands, parameters or nothing.
    fn value(&self, handle: Handle<Expression>, expression: &Expression) -> Marks {
        if self.points(handle) {
            return Marks::CLEAN;
        }
        let clean = || Marks::clean(self.module, self.ty(handle));
        let product = || marked(clean(), &Marks::Scalar(Some(self.start(handle))));
        let passed = |operands: &[Handle<Expression>]| {
            operands.iter().fold(clean(), |marks, operand| marked(marks, self.marks(*operand)))
        };
        match *expression {
            Expression::FunctionArgument(k) => self.parameters[k as usize].clone(),
            Expression::Compose { ref components, .. } => self.composed(handle, components),
            Expression::Splat { value, .. } => passed(&[value]),
            Expression::AccessIndex { base, index } => {
                self.marks(base).part(Step::into(self.module, self.ty(base), Some(index)))
            }
            Expression::Access { base, .. } => {
                self.marks(base).part(Step::into(self.module, self.ty(base), None))
            }
            Expression::Swizzle { size, vector, pattern } => {
                let from = |component: &naga::SwizzleComponent| {
                    self.marks(vector).part(Step::Part(*component as usize))
                };
                Marks::Parts(pattern[..size as usize].iter().map(from).collect())
            }
            Expression::Unary { op: naga::UnaryOperator::Negate, expr } => passed(&[expr]),
            Expression::Select { accept, reject, .. } => passed(&[accept, reject]),
            Expression::Binary { op: BinaryOperator::Multiply, left, right } if self.is_real(handle) => {
                if self.is(left, is_exact_scale) {
                    passed(&[right])
                } else if self.is(right, is_exact_scale) {
                    passed(&[left])
                } else {
                    product()
                }
            }
            Expression::Binary { op: BinaryOperator::Divide, left, right } if self.is_real(handle) => {
                if self.is(right, is_exact_scale) {
                    passed(&[left])
                } else if self.is(left, is_exact_scale) {
                    clean()
                } else {
                    product()
                }
            }
            Expression::As { expr, kind, convert } => {
                let keeps_value = convert.is_none() || kind == ScalarKind::Float && self.is_real(expr);
                if keeps_value { passed(&[expr]) } else { clean() }
            }
            Expression::Math { fun: MathFunction::Fma, arg, arg1: Some(arg1), arg2: Some(arg2), .. } => {
                let is_zero = |x: f64| x == 0.0;
                if self.is(arg, is_zero) || self.is(arg1, is_zero) {
                    passed(&[arg2])
                } else if !self.may_be(arg2, is_zero) {
                    clean()
                } else if self.is(arg, is_exact_scale) {
                    passed(&[arg1])
                } else if self.is(arg1, is_exact_scale) {
                    passed(&[arg])
                } else {
                    product()
                }
            }
            Expression::Math { fun: MathFunction::Outer, .. } => product(),
            Expression::Math { fun, arg, arg1, arg2, .. } if passes(fun) => {
                let operands: Vec<_> = [Some(arg), arg1, arg2].into_iter().flatten().collect();
                passed(&operands)
            }
            _ => clean(),
        }
    }

    fn composed(&self, handle: Handle<Expression>, components: &[Handle<Expression>]) -> Marks {
        let marks = components.iter().map(|component| self.marks(*component));
        match self.ty(handle) {
            TypeInner::Struct { .. } => Marks::Parts(marks.cloned().collect()),
            // Scalars, and vectors of several.
            TypeInner::Vector { .. } => {
                let scalars = marks.flat_map(|marks| match marks {
                    Marks::Scalar(_) => std::slice::from_ref(marks),
                    Marks::Parts(parts) => parts,
                });
                Marks::Parts(scalars.cloned().collect())
            }
            ty => marks.fold(Marks::clean(self.module, ty), marked),
        }
    }

    /// All components are constants that pass the test.
    fn is(&self, handle: Handle<Expression>, test: fn(f64) -> bool) -> bool {
        is_constant(self.module, &self.function.expressions, handle, test)
    }

    /// The same of either branch of a select.
    fn may_be(&self, handle: Handle<Expression>, test: fn(f64) -> bool) -> bool {
        match self.function.expressions[handle] {
            Expression::Select { accept, reject, .. } => {
                self.may_be(accept, test) || self.may_be(reject, test)
            }
            _ => self.is(handle, test),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let found = self.function.expressions.iter().filter_map(|(handle, expression)| {
            let slip = self.slip(handle, expression)?;
            Some(Finding { byte: self.start(handle), slip })
        });
        found.collect()
    }

    /// What an expression leaves to the compiler.
    fn slip(&self, handle: Handle<Expression>, expression: &Expression) -> Option<Slip> {
        match *expression {
            Expression::Binary { op, left, right } if self.is_real(handle) => match op {
                BinaryOperator::Add | BinaryOperator::Subtract => {
                    self.any(&[left, right]).map(Slip::BareProduct)
                }
                BinaryOperator::Modulo => Some(Slip::Expanded("%", "x - y * trunc(x / y) by fma")),
                BinaryOperator::Multiply
                    if self.is_matrix(left) && !is_scalar(self.ty(right))
                        || self.is_matrix(right) && !is_scalar(self.ty(left)) =>
                {
                    Some(Slip::Expanded("a product with a matrix", "columns3(m0, m1, m2, v)"))
                }
                _ => None,
            },
            Expression::Math { fun, arg, arg1, arg2, .. } if self.is_real(arg) => match fun {
                MathFunction::Fma => {
                    let is_one = |x: f64| x.abs() == 1.0;
                    let (factor, addend) = (arg1?, arg2?);
                    if self.is(arg, is_one) {
                        self.any(&[factor, addend]).map(Slip::BareProduct)
                    } else if self.is(factor, is_one) {
                        self.any(&[arg, addend]).map(Slip::BareProduct)
                    } else {
                        None
                    }
                }
                _ if passes(fun) || ends(fun) => None,
                _ => {
                    let (name, remedy) = expanded(fun);
                    Some(Slip::Expanded(name, remedy))
                }
            },
            _ => None,
        }
    }
}

fn marked(mut marks: Marks, more: &Marks) -> Marks {
    marks.join(more);
    marks
}

/// Functions of a module in their order, then entry points.
pub(crate) fn all_functions<'a>(
    module: &'a Module,
    info: &'a ModuleInfo,
) -> impl Iterator<Item = (&'a Function, &'a FunctionInfo)> {
    let functions = module.functions.iter().map(|(handle, function)| (function, &info[handle]));
    let entries = module.entry_points.iter().enumerate();
    functions.chain(entries.map(|(n, entry)| (&entry.function, info.get_entry_point(n))))
}

/// Statements of a block and of all blocks in it.
pub(crate) fn all_statements(block: &Block) -> Vec<&Statement> {
    let mut statements = Vec::new();
    for statement in block {
        statements.push(statement);
        match statement {
            Statement::Block(inner) => statements.extend(all_statements(inner)),
            Statement::If { accept, reject, .. } => {
                statements.extend(all_statements(accept));
                statements.extend(all_statements(reject));
            }
            Statement::Switch { cases, .. } => {
                statements.extend(cases.iter().flat_map(|case| all_statements(&case.body)));
            }
            Statement::Loop { body, continuing, .. } => {
                statements.extend(all_statements(body));
                statements.extend(all_statements(continuing));
            }
            _ => {}
        }
    }
    statements
}

fn is_scalar(ty: &TypeInner) -> bool {
    matches!(ty, TypeInner::Scalar(_))
}

/// All components are constants that pass the test. Of a select, in either branch.
fn is_constant(
    module: &Module,
    arena: &Arena<Expression>,
    handle: Handle<Expression>,
    test: fn(f64) -> bool,
) -> bool {
    let is = |handle| is_constant(module, arena, handle, test);
    match arena[handle] {
        Expression::Literal(Literal::F64(x) | Literal::AbstractFloat(x)) => test(x),
        Expression::Literal(Literal::F32(x)) => test(f64::from(x)),
        Expression::ZeroValue(_) => test(0.0),
        Expression::Constant(constant) => {
            is_constant(module, &module.global_expressions, module.constants[constant].init, test)
        }
        Expression::Compose { ref components, .. } => components.iter().all(|component| is(*component)),
        Expression::Splat { value, .. } => is(value),
        // Every test here is the same for x and -x.
        Expression::Unary { op: naga::UnaryOperator::Negate, expr } => is(expr),
        Expression::Select { accept, reject, .. } => is(accept) && is(reject),
        _ => false,
    }
}

/// Multiplication by it is exact: 2^n or -2^n, or zero.
fn is_exact_scale(x: f64) -> bool {
    const MANTISSA: u64 = (1 << (f64::MANTISSA_DIGITS - 1)) - 1;
    x.is_finite() && x.to_bits() & MANTISSA == 0
}

/// Functions whose result is one of their arguments, or one of them scaled exactly.
fn passes(fun: MathFunction) -> bool {
    matches!(
        fun,
        MathFunction::Abs
            | MathFunction::Min
            | MathFunction::Max
            | MathFunction::Clamp
            | MathFunction::Saturate
            | MathFunction::Transpose
            | MathFunction::Ldexp
    )
}

/// Functions whose result is no product, and in which nothing is added that a compiler could fuse with an argument.
fn ends(fun: MathFunction) -> bool {
    matches!(
        fun,
        MathFunction::Ceil
            | MathFunction::Floor
            | MathFunction::Round
            | MathFunction::Trunc
            | MathFunction::Sign
            | MathFunction::Step
            | MathFunction::Exp2
            | MathFunction::Log2
            | MathFunction::Sqrt
            | MathFunction::InverseSqrt
            | MathFunction::QuantizeToF16
            | MathFunction::Outer
    )
}

/// Name of a function of reals that is not one rounded operation, and what to write instead.
fn expanded(fun: MathFunction) -> (&'static str, &'static str) {
    match fun {
        MathFunction::Dot => ("dot", "dot3(a, b), or fma(a.x, b.x, a.y * b.y)"),
        MathFunction::Cross => ("cross", "cross3(a, b)"),
        MathFunction::Length => ("length", "length3(a)"),
        MathFunction::Distance => ("distance", "length3(a - b)"),
        MathFunction::Normalize => ("normalize", "a * inverseSqrt(dot3(a, a))"),
        MathFunction::Mix => ("mix", "fma(t, b - a, a)"),
        MathFunction::Pow => ("pow", "exp2(y * log2(x)), or products"),
        MathFunction::Exp => ("exp", "exponential(x)"),
        MathFunction::Fract => ("fract", "x - floor(x) of an x that is no product"),
        MathFunction::Determinant => ("determinant", "dot3(a, cross3(b, c))"),
        _ => ("this function", "its formula, with products that are added as fma"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Kernel, Variant};
    use crate::representative::{places, systems};
    use crate::source::{Source, source};
    use crate::validate::validate;

    fn composed(kernel: Kernel) -> Source {
        // Flexible molecules; orders and meshes are different along every axis.
        source(kernel, Variant::Virial, &systems()[1], &places())
    }

    /// What is planted, and the text at the place that must be found.
    #[derive(Debug)]
    struct Plant {
        kind: &'static str,
        kernel: Kernel,
        right: &'static str,
        wrong: &'static str,
        found_at: &'static str,
    }

    const PLANTS: [Plant; 27] = [
        Plant {
            kind: "a b + c",
            kernel: Kernel::Near,
            right: "fma(vec3(d.z), edge_c, fma(vec3(d.y), edge_b, d.x * edge_a))",
            wrong: "fma(vec3(d.z), edge_c, d.y * edge_b + d.x * edge_a)",
            found_at: "d.y * edge_b + d.x",
        },
        Plant {
            kind: "c - a b",
            kernel: Kernel::Near,
            right: "fma(-inverse6, fma(d8, inverse2, c6), wall)",
            wrong: "(wall - inverse6 * fma(d8, inverse2, c6))",
            found_at: "wall - inverse6",
        },
        Plant {
            kind: "x += a b",
            kernel: Kernel::Far,
            right: "potential = fma(weight_y[row], value, potential);",
            wrong: "potential += weight_y[row] * value;",
            found_at: "potential += ",
        },
        Plant {
            kind: "x -= a b",
            kernel: Kernel::Near,
            right: "(*result).excluded = fma(-charge, erf_part.x, (*result).excluded);",
            wrong: "(*result).excluded -= charge * erf_part.x;",
            found_at: "(*result).excluded -= ",
        },
        Plant {
            kind: "components of a product",
            kernel: Kernel::Kspace,
            right: "let square = fma(f.x, f.x, f.y * f.y);",
            wrong: "let squares = f * f;\n        let square = squares.x + squares.y;",
            found_at: "squares.x + squares.y",
        },
        Plant {
            kind: "through let",
            kernel: Kernel::Near,
            right: "force[m] = fma(vec3(f.x), d, force[m]);",
            wrong: "let push = f.x * d;\n            force[m] = force[m] + push;",
            found_at: "force[m] + push",
        },
        Plant {
            kind: "through var, in one branch",
            kernel: Kernel::Kspace,
            right: "(*sums)[4] = fma(factor * k.x, k.y, (*sums)[4]);",
            wrong: "var shear = 0.0;\nif k.x > 0.0 {\nshear = factor * k.x * k.y;\n}\n(*sums)[4] += shear;",
            found_at: "(*sums)[4] += shear",
        },
        Plant {
            kind: "the result of a function",
            kernel: Kernel::Near,
            right: "return fma(vec3(d.z), edge_c, fma(vec3(d.y), edge_b, d.x * edge_a));",
            wrong: "return d.x * edge_a;",
            found_at: "arms[m] - there",
        },
        Plant {
            kind: "a parameter of a function",
            kernel: Kernel::Near,
            right: "angle_beyond(table_float(at + 4u), sine_part, dot3(a, b))",
            wrong: "angle_beyond(table_float(at + 4u) * sine_part, sine_part, dot3(a, b))",
            found_at: "select(3.14159265, 0.0, is_acute) - reference",
        },
        Plant {
            kind: "negated",
            kernel: Kernel::Near,
            right: "fma(-inverse6, fma(d8, inverse2, c6), wall)",
            wrong: "(wall + -(inverse6 * c6))",
            found_at: "wall + -(",
        },
        Plant {
            kind: "a quotient",
            kernel: Kernel::Kspace,
            right: "(1.0 / k2 + PI_OVER_ALPHA_2)",
            wrong: "(influence / k2 + PI_OVER_ALPHA_2)",
            found_at: "influence / k2 + PI",
        },
        Plant {
            kind: "scaled by a power of two",
            kernel: Kernel::Kspace,
            right: "(1.0 / k2 + PI_OVER_ALPHA_2)",
            wrong: "(0.25 * (influence * k2) + PI_OVER_ALPHA_2)",
            found_at: "0.25 * (influence",
        },
        Plant {
            kind: "a constant that is no power of two",
            kernel: Kernel::Far,
            right: "f32(fraction >> 8u) * 5.96046448e-8 - 0.5",
            wrong: "f32(fraction >> 8u) * 6.0e-8 - 0.5",
            found_at: "f32(fraction >> 8u) * 6.0e-8",
        },
        Plant {
            kind: "dot",
            kernel: Kernel::Near,
            right: "closest = min(closest, dot3(d, d));",
            wrong: "closest = min(closest, dot(d, d));",
            found_at: "dot(d, d)",
        },
        Plant {
            kind: "cross",
            kernel: Kernel::Near,
            right: "let normal = cross3(a, b);",
            wrong: "let normal = cross(a, b);",
            found_at: "cross(a, b)",
        },
        Plant {
            kind: "length",
            kernel: Kernel::Near,
            right: "let r = length3(d);",
            wrong: "let r = length(d);",
            found_at: "length(d)",
        },
        Plant {
            kind: "pow",
            kernel: Kernel::Near,
            right: "let inverse6 = inverse2 * inverse2 * inverse2;",
            wrong: "let inverse6 = pow(inverse2, 3.0);",
            found_at: "pow(inverse2",
        },
        Plant {
            kind: "a matrix times a vector",
            kernel: Kernel::Far,
            right: "ATOM_CHARGES + atom) * gradient;",
            wrong: "ATOM_CHARGES + atom)\n        * (mat3x3(slopes, slopes, slopes) * gradient);",
            found_at: "mat3x3(slopes",
        },
        Plant {
            kind: "in generated transforms",
            kernel: Kernel::Kspace,
            right: "let t9 = t0 + t5 + t6;",
            wrong: "let t9 = t0 + 0.7 * t5 + t6;",
            found_at: "t0 + 0.7 * t5",
        },
        Plant {
            kind: "in generated splines",
            kernel: Kernel::Near,
            right: "fma(fma(fma(fma(",
            wrong: "(t * t - 1.0) * fma(fma(fma(fma(",
            found_at: "t * t - 1.0",
        },
        Plant {
            kind: "select",
            kernel: Kernel::Near,
            right: "+= select(0.0, u, in_short_range);",
            wrong: "+= select(0.0, u * r, in_short_range);",
            found_at: "(*sums).short_range += select",
        },
        Plant {
            kind: "min, max, abs",
            kernel: Kernel::Near,
            right: "+= select(0.0, u, in_short_range);",
            wrong: "+= max(0.0, min(abs(u * r), 1.0));",
            found_at: "(*sums).short_range += max",
        },
        Plant {
            kind: "through an element of an array",
            kernel: Kernel::Far,
            right: "along_z = fma(weight_y[row], slope, along_z);",
            wrong: "weight_y[row] = weight_y[row] * slope;\n        along_z = along_z + weight_y[0];",
            found_at: "along_z + weight_y[0]",
        },
        Plant {
            kind: "through workgroup memory",
            kernel: Kernel::Kspace,
            right: "column_sums[k * 257u + thread] = sums[k];",
            wrong: "column_sums[k * 257u + thread] = sums[k] * sums[0];",
            found_at: "sum += column_sums[k * 257u",
        },
        Plant {
            kind: "through the bits of an atomic",
            kernel: Kernel::Near,
            right: "put_real((3u * m) * STRIDE + thread, force[m].x);",
            wrong: "put_real((3u * m) * STRIDE + thread, force[m].x * force[m].y);",
            found_at: "sums += vec4(get_real(start + k)",
        },
        Plant {
            kind: "through storage memory, a pointer and a function",
            kernel: Kernel::Kspace,
            right: "GRID_Y * HALF_Z + first + column] = x[a];",
            wrong: "GRID_Y * HALF_Z + first + column] = x[a] * x[a];",
            found_at: "t1 + t4",
        },
        Plant {
            kind: "fma by one",
            kernel: Kernel::Far,
            right: "potential = fma(weight_y[row], value, potential);",
            wrong: "potential = fma(1.0, weight_y[row] * value, potential);",
            found_at: "fma(1.0, weight_y",
        },
    ];

    #[test]
    fn every_kind_of_bare_product_planted_in_a_kernel_is_found_at_its_line() {
        for plant in PLANTS {
            let kernel = composed(plant.kernel);
            assert_eq!(validate(&kernel).err(), None);
            let slipped = kernel.with_slip(plant.right, plant.wrong);
            let at = slipped.text.find(plant.found_at).expect(plant.found_at);
            let (file, line) = slipped.locate(at).unwrap();
            let error = validate(&slipped).expect_err(plant.kind).to_string();
            assert!(
                error.contains(&format!("{file}:{line}: ")),
                "{}: {file}:{line} is not in\n{error}",
                plant.kind
            );
        }
    }

    #[test]
    fn a_finding_names_kernel_line_product_and_remedy() {
        let right = "force[m] = fma(vec3(f.x), d, force[m]);";
        let slipped =
            composed(Kernel::Near).with_slip(right, "let push = f.x * d;\nforce[m] = force[m] + push;");
        let at = |text: &str| {
            let (file, line) = slipped.locate(slipped.text.find(text).unwrap()).unwrap();
            format!("{file}:{line}")
        };
        let error = validate(&slipped).unwrap_err();
        assert_eq!(error.place, at("force[m] + push"));
        let product = at("let push");
        let expected =
            format!("adds bare the product of {product}: write fma(a, b, c), or add before you multiply");
        assert!(error.finding.contains(&expected), "{error}");
        assert!(error.to_string().contains("kernel `near`"), "{error}");
    }

    /// Findings in statements of an entry point, of reals `a`, `b`, `c` that are no products.
    fn findings(statements: &str) -> Vec<Finding> {
        let text = format!(
            "struct Pair {{ first: f32, second: f32, }}
             @group(0) @binding(0) var<storage, read> reals: array<f32>;
             @group(0) @binding(1) var<storage, read> numbers: array<i32>;
             @group(0) @binding(2) var<storage, read_write> out: array<f32>;
             fn both(x: f32, y: f32) -> Pair {{ return Pair(x, y); }}
             @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {{
                 let a = reals[i]; let b = reals[i + 1u]; let c = reals[i + 2u];
                 {statements}
             }}"
        );
        let module =
            naga::front::wgsl::parse_str(&text).unwrap_or_else(|error| panic!("{statements}: {error}"));
        let flags = naga::valid::ValidationFlags::all();
        let capabilities = naga::valid::Capabilities::empty();
        let info = naga::valid::Validator::new(flags, capabilities).validate(&module);
        bare_products(&module, &info.unwrap_or_else(|error| panic!("{statements}: {error}")))
    }

    #[test]
    fn what_no_compiler_can_contract_is_not_found() {
        for statements in [
            "out[i] = fma(a, b, fma(c, a, b * c));",
            "out[i] = (a + b) * c * (a - c);",
            "out[i] = a * b * c / a;",
            "out[i] = 0.5 * (a + b) + 2.0 * c - c / 4.0 - 1.0;",
            "out[i] = select(1.0, -0.5, a > b) * a + c;",
            "out[i] = (vec3(0.25) * vec3(a, b, c) + vec3(c)).x;",
            "out[i] = 1.0 / a + b; out[i + 1u] = c - (-2.0) / a;",
            "out[3u * i + 1u] = f32(numbers[2u * i + 1u] * numbers[0] + 3) + a;",
            "out[i] = f32(i32(round(a * b)) + 1); out[i + 1u] = round(a * b) + floor(b * c) - trunc(c * c);",
            "out[i] = exp2(a * b) + inverseSqrt(a * b) + sqrt(a * b) + log2(a / b);",
            "out[i] = max(a * b, c) * abs(c * a);",
            "if a * b > c { out[i] = -(a * b); }",
            "let both = vec2(a * b, c); out[i] = both.y + a;",
            "let both = vec3(a * b, c, a).zyx; out[i] = both.x + both.y;",
            "out[i] = both(a * b, c).second + c;",
            "var pair: Pair; pair.first = a * b; pair.second = c; out[i] = pair.second + b;",
            "var sum = 0.0; for (var k = 0u; k < 8u; k++) { sum = fma(a, b, sum); sum += c; } out[i] = sum * sum;",
            "out[i] = bitcast<f32>(bitcast<u32>(a * b) ^ bitcast<u32>(numbers[0])) + c;",
            "out[i] = fma(a, b, 1e-30) + c;",
        ] {
            assert_eq!(findings(statements), [], "{statements}");
        }
    }

    #[test]
    fn what_compilers_simplify_to_a_bare_product_is_found() {
        for statements in [
            "out[i] = fma(a, b, 0.0) + c;",
            "out[i] = fma(a, b, select(c, 0.0, a > 0.0)) + c;",
            "out[i] = fma(-1.0, a * b, c);",
            "out[i] = fma(a, 1.0, b * c);",
            "out[i] = ldexp(a * b, 2) + c;",
            "out[i] = bitcast<f32>(bitcast<i32>(a * b)) + c;",
            "let p = vec4(a, b, c, a * b); out[i] = p[i % 4u] + c;",
            "var p = vec2(a, b); p[i % 2u] = a * b; out[i] = p.x + c;",
            "var p = array(Pair(a, b), Pair(b, c)); p[0].second = a * b; out[i] = p[i].second + c;",
            "var p = c; for (var k = 0u; k < 8u; k++) { out[k] = p + a; p = a * b; }",
            "var pair = both(c, a / b); out[i] = pair.second + b;",
            "out[i] = (mat2x2(a, b, c, a) * 3.0 + mat2x2(a, b, c, a))[0].x;",
        ] {
            assert_eq!(findings(statements).len(), 1, "{statements}");
            assert!(matches!(findings(statements)[0].slip, Slip::BareProduct(_)), "{statements}");
        }
    }

    #[test]
    fn functions_and_operators_with_sums_of_products_within_are_found() {
        for expression in [
            "dot(vec2(a, b), vec2(c))",
            "cross(vec3(a), vec3(b)).x",
            "length(vec2(a, b))",
            "distance(vec2(a, b), vec2(c))",
            "normalize(vec2(a, b)).x",
            "mix(a, b, c)",
            "smoothstep(a, b, c)",
            "reflect(vec2(a), vec2(b)).x",
            "refract(vec2(a), vec2(b), c).x",
            "faceForward(vec2(a), vec2(b), vec2(c)).x",
            "determinant(mat2x2(a, b, c, a))",
            "(mat2x2(a, b, c, a) * vec2(b, c)).x",
            "(vec2(b, c) * mat2x2(a, b, c, a)).x",
            "(mat2x2(a, b, c, a) * mat2x2(a, b, c, a))[0].x",
            "pow(a, b)",
            "exp(a)",
            "sin(a)",
            "fract(a)",
            "a % b",
        ] {
            let found = findings(&format!("out[i] = {expression};"));
            assert!(
                matches!(found[..], [Finding { slip: Slip::Expanded(..), .. }]),
                "{expression}: {found:?}"
            );
        }
        assert_eq!(findings("out[i] = f32(dot(vec2(numbers[0]), vec2(numbers[1])) + numbers[0] % 3);"), []);
    }
}
