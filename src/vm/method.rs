//! Methods of a native type, declared with [`methods!`], and functions of the modules, declared
//! with [`functions!`].
//!
//! **What RustPython 0.6 lacks:** fast arguments of methods, and CPython's messages
//! about them. `#[pymethod]` takes the arguments off a list one by one (rustpython-vm
//! `src/function/argument.rs:263`), which is a tenth of a short call, and has messages
//! of its own. This file reads them in place, with the messages of `PyArg_ParseTuple`
//! about their number and names, and makes the signature that `help()` shows from the
//! same declaration.
//! **To delete this file:** declare the methods in the tables `METHODS` and
//! `PYTHON_METHODS` of `object` with `#[pymethod]`, and the functions in the tables
//! `FUNCTIONS` and `SOCKET_ONLY` of `module` with `#[pyfunction]`, once that costs no more and
//! `py_tests/test_arguments.py` and `py_tests/test_argument_messages.py` pass.
//! **Test:** that file.

use super::python_args;
use crate::bridge::Data;
use crate::bridge::args::{Int, Size};
use rustpython_vm::builtins::PyBaseExceptionRef;
use rustpython_vm::common::wtf8::Wtf8Buf;
use rustpython_vm::function::{
    Callee, DefaultRepr, FromArgs, FuncArgs, OptionalArg, Param, ParamKind,
};
use rustpython_vm::{Py, PyObject, PyObjectRef, PyPayload, PyResult, VirtualMachine};
use std::array;

/// A type of argument: how it is read from an object that lives for the whole call, and its
/// default.
pub(crate) trait Argument<'a>: Sized {
    /// Default that `help()` shows; `None` if the argument is required.
    const DEFAULT: Option<DefaultRepr> = None;

    fn read(value: &'a PyObject, vm: &VirtualMachine) -> PyResult<Self>;

    /// Returns the default; `None` if the argument is required.
    #[inline]
    fn default_value() -> Option<Self> {
        None
    }
}

macro_rules! converted {
    ($($kind:ty),*) => {$(
        impl<'a> Argument<'a> for $kind {
            #[inline]
            fn read(value: &'a PyObject, vm: &VirtualMachine) -> PyResult<Self> {
                value.try_to_value(vm)
            }
        }
    )*};
}

converted!(Data<'a>, Int, Size);

/// An argument that may be left out.
impl<'a, T: Argument<'a>> Argument<'a> for OptionalArg<T> {
    const DEFAULT: Option<DefaultRepr> = Some(DefaultRepr::Unrepresentable);

    #[inline]
    fn read(value: &'a PyObject, vm: &VirtualMachine) -> PyResult<Self> {
        T::read(value, vm).map(Self::Present)
    }

    #[inline]
    fn default_value() -> Option<Self> {
        Some(Self::Missing)
    }
}

impl<'a> Argument<'a> for &'a PyObject {
    #[inline]
    fn read(value: &'a PyObject, _vm: &VirtualMachine) -> PyResult<Self> {
        Ok(value)
    }
}

/// An object that may be left out or None.
impl<'a> Argument<'a> for Option<&'a PyObject> {
    const DEFAULT: Option<DefaultRepr> = Some(DefaultRepr::None);

    #[inline]
    fn read(value: &'a PyObject, vm: &VirtualMachine) -> PyResult<Self> {
        Ok(Some(value).filter(|object| !vm.is_none(object)))
    }

    #[inline]
    fn default_value() -> Option<Self> {
        Some(None)
    }
}

/// A number that is 0 if it is left out.
pub(crate) struct OrZero<T>(pub(crate) T);

impl<'a, T: Argument<'a> + Default> Argument<'a> for OrZero<T> {
    const DEFAULT: Option<DefaultRepr> = Some(DefaultRepr::Int(0));

    #[inline]
    fn read(value: &'a PyObject, vm: &VirtualMachine) -> PyResult<Self> {
        T::read(value, vm).map(Self)
    }

    #[inline]
    fn default_value() -> Option<Self> {
        Some(Self(T::default()))
    }
}

/// Several objects; none if the argument is left out.
pub(crate) struct OrNone<'a>(pub(crate) Option<&'a PyObject>);

impl<'a> Argument<'a> for OrNone<'a> {
    const DEFAULT: Option<DefaultRepr> = Some(DefaultRepr::Raw("()"));

    #[inline]
    fn read(value: &'a PyObject, _vm: &VirtualMachine) -> PyResult<Self> {
        Ok(Self(Some(value)))
    }

    #[inline]
    fn default_value() -> Option<Self> {
        Some(Self(None))
    }
}

/// Describes a method's argument for its signature.
pub(crate) const fn param<'a, T: Argument<'a>>(name: &'static str, kind: ParamKind) -> Param {
    Param {
        name,
        kind,
        default: T::DEFAULT,
    }
}

/// Returns the number of required arguments.
const fn required(params: &[Param]) -> usize {
    let (mut n, mut i) = (0, 0);
    while i < params.len() {
        if params[i].default.is_none() {
            n += 1;
        }
        i += 1;
    }
    n
}

/// CPython's declaration of a C function or method, for its messages about arguments.
#[derive(Clone, Copy)]
pub(crate) struct Callable {
    /// It is a method of the class `socket`, and otherwise a function of the module `_socket`.
    pub(crate) is_method: bool,
    pub(crate) name: &'static str,
    pub(crate) params: &'static [Param],
    /// It is declared with METH_O.
    pub(crate) takes_object: bool,
}

impl Callable {
    /// Returns the method `name` of the class `socket`.
    pub(crate) const fn method(name: &'static str, params: &'static [Param]) -> Self {
        Self {
            is_method: true,
            name,
            params,
            takes_object: params.len() == 1 && required(params) == 1,
        }
    }

    /// Reads the arguments of a function, or of a method those after its object, of which
    /// `T` has the parameters.
    pub(crate) fn bind<T: FromArgs>(&self, args: FuncArgs, vm: &VirtualMachine) -> PyResult<T> {
        if !args.kwargs.is_empty() || args.args.len() > self.params.len() {
            self.bind_slow(&args.args, &args, vm)?;
        }
        args.bind_for(vm, Callee::named(self.name))
    }

    /// Returns the name behind its class or module.
    fn qualified(&self) -> String {
        let owner = if self.is_method { "socket" } else { "_socket" };
        format!("{owner}.{}", self.name)
    }

    /// Returns the message about names for a callable that takes none.
    fn no_names(&self) -> String {
        // CPython names the owner for methods, and for functions with METH_O or METH_NOARGS.
        if self.is_method || self.takes_object || self.params.is_empty() {
            format!("{}() takes no keyword arguments", self.qualified())
        } else {
            format!("{}() takes no keyword arguments", self.name)
        }
    }

    /// Returns the message about a wrong number of arguments without names.
    fn wrong_number(&self, given: usize) -> String {
        let (name, qualified) = (self.name, self.qualified());
        if self.takes_object {
            return format!("{qualified}() takes exactly one argument ({given} given)");
        }
        let least = required(self.params);
        let (bound, limit) = match self.params.len() {
            0 => return format!("{qualified}() takes no arguments ({given} given)"),
            most if least == most => ("exactly", most),
            most if given > most => ("at most", most),
            _ => ("at least", least),
        };
        let plural = if limit == 1 { "" } else { "s" };
        format!("{name}() takes {bound} {limit} argument{plural} ({given} given)")
    }

    /// Refuses more arguments than the callable takes, and all that
    /// [`bind_slow`](Self::bind_slow) gets for one that takes no names.
    fn check_number(
        &self,
        positional: &[PyObjectRef],
        args: &FuncArgs,
        vm: &VirtualMachine,
    ) -> PyResult<()> {
        let takes_names = matches!(
            self.params,
            [
                Param {
                    kind: ParamKind::PositionalOrKeyword,
                    ..
                },
                ..
            ]
        );
        let given = positional.len() + args.kwargs.len();
        if !takes_names {
            let text = if args.kwargs.is_empty() {
                self.wrong_number(given)
            } else {
                self.no_names()
            };
            return Err(vm.new_type_error(text));
        }
        if given > self.params.len() {
            let named = if positional.is_empty() {
                "keyword "
            } else {
                ""
            };
            return Err(vm.new_type_error(format!(
                "{}() takes at most {} {named}arguments ({given} given)",
                self.name,
                self.params.len()
            )));
        }
        Ok(())
    }

    /// Binds arguments that have names, or makes the error for a wrong number of them.
    #[cold]
    fn bind_slow<'a>(
        &self,
        positional: &'a [PyObjectRef],
        args: &'a FuncArgs,
        vm: &VirtualMachine,
    ) -> PyResult<Vec<Option<&'a PyObject>>> {
        self.check_number(positional, args, vm)?;
        let name = self.name;
        let mut bound = Vec::new();
        for (at, param) in self.params.iter().enumerate() {
            let value = match (positional.get(at), args.kwargs.get(param.name)) {
                (Some(_), Some(_)) => {
                    return Err(vm.new_type_error(format!(
                        "argument for {name}() given by name ('{}') and position ({})",
                        param.name,
                        at + 1
                    )));
                }
                (positional, named) => positional.or(named),
            };
            if value.is_none() && param.default.is_none() {
                return Err(vm.new_type_error(format!(
                    "{name}() missing required argument '{}' (pos {})",
                    param.name,
                    at + 1
                )));
            }
            bound.push(value.map(|value| &**value));
        }
        let is_unknown = |name: &&Wtf8Buf| {
            let mut params = self.params.iter();
            !params.any(|param| python_args::takes_name(param, name))
        };
        match args.kwargs.keys().find(is_unknown) {
            Some(name) => Err(python_args::unexpected(self.name, name, self.params, vm)),
            None => Ok(bound),
        }
    }
}

/// The arguments of one call, each of which may have been left out.
pub(crate) enum BoundArgs<'a> {
    Positional(&'a [PyObjectRef]),
    /// Some arguments were given by name.
    Named(Vec<Option<&'a PyObject>>),
}

impl<'a> BoundArgs<'a> {
    /// Checks the number and the names of the arguments of a function.
    #[inline]
    pub(crate) fn of(
        function: &Callable,
        args: &'a FuncArgs,
        vm: &VirtualMachine,
    ) -> PyResult<Self> {
        Self::of_rest(function, &args.args, args, vm)
    }

    /// Checks the number and the names of the arguments of a method. Its object is returned
    /// separately.
    // Inlined, so that the number of parameters is a constant.
    #[inline(always)]
    pub(crate) fn of_method(
        method: &Callable,
        args: &'a FuncArgs,
        vm: &VirtualMachine,
    ) -> PyResult<(&'a PyObject, Self)> {
        match args.args.split_first() {
            Some((zelf, rest)) => Ok((zelf, Self::of_rest(method, rest, args, vm)?)),
            None => Err(no_instance(method.name, vm)),
        }
    }

    /// Checks the arguments of which `positional` are those without names.
    #[inline(always)]
    fn of_rest(
        callable: &Callable,
        positional: &'a [PyObjectRef],
        args: &'a FuncArgs,
        vm: &VirtualMachine,
    ) -> PyResult<Self> {
        let (number, params) = (positional.len(), callable.params);
        if !args.kwargs.is_empty() || number < required(params) || number > params.len() {
            return callable.bind_slow(positional, args, vm).map(Self::Named);
        }
        Ok(Self::Positional(positional))
    }

    /// Returns the arguments in the order of the parameters, of which there are `N`.
    #[inline(always)]
    pub(crate) fn in_order<const N: usize>(&self) -> [Option<&'a PyObject>; N] {
        match self {
            Self::Positional(args) => array::from_fn(|at| args.get(at).map(|arg| &**arg)),
            Self::Named(args) => array::from_fn(|at| args.get(at).copied().flatten()),
        }
    }
}

/// Reads an argument, or returns its default if it was left out.
#[inline(always)]
pub(crate) fn read<'a, T: Argument<'a>>(
    value: Option<&'a PyObject>,
    vm: &VirtualMachine,
) -> PyResult<T> {
    match value {
        Some(object) => T::read(object, vm),
        None => T::default_value().ok_or_else(|| vm.new_type_error("an argument is missing")),
    }
}

/// Returns the object on which a method is called.
#[inline(always)]
pub(crate) fn instance<'a, T: PyPayload>(
    zelf: &'a PyObject,
    method: &str,
    vm: &VirtualMachine,
) -> PyResult<&'a Py<T>> {
    // The method descriptor has checked the type, unless the object was given by name.
    match zelf.downcast_ref::<T>() {
        Some(zelf) => Ok(zelf),
        None => Err(not_an_instance::<T>(zelf, method, vm)),
    }
}

#[cold]
fn not_an_instance<T: PyPayload>(
    zelf: &PyObject,
    method: &str,
    vm: &VirtualMachine,
) -> PyBaseExceptionRef {
    let (class, given) = (T::class(&vm.ctx).name(), zelf.class());
    let given = given.name();
    vm.new_type_error(format!(
        "descriptor '{method}' for '{class}' objects doesn't apply to a '{given}' object"
    ))
}

#[cold]
fn no_instance(method: &str, vm: &VirtualMachine) -> PyBaseExceptionRef {
    vm.new_type_error(format!(
        "unbound method socket.{method}() needs an argument"
    ))
}

/// Returns true for the group of functions that CPython declares with METH_O.
pub(crate) const fn is_object(group: &str) -> bool {
    matches!(group.as_bytes(), b"object")
}

/// Returns the object and the arguments of a method that reads its arguments itself. It
/// takes no named arguments.
#[inline]
pub(crate) fn varargs<'a>(
    method: &str,
    args: &'a FuncArgs,
    vm: &VirtualMachine,
) -> PyResult<(&'a PyObject, &'a [PyObjectRef])> {
    match args.args.split_first() {
        Some((zelf, rest)) if args.kwargs.is_empty() => Ok((zelf, rest)),
        Some(_) => Err(vm.new_type_error(format!("socket.{method}() takes no keyword arguments"))),
        None => Err(no_instance(method, vm)),
    }
}

/// Removes the space before each line of a doc comment, and the line end after the
/// last.
pub(crate) const fn dedent<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    let mut out = [0; N];
    let (mut from, mut to, mut starts) = (0, 0, true);
    while to < N {
        let skip = starts && bytes[from] == b' ';
        starts = bytes[from] == b'\n';
        if !skip {
            out[to] = bytes[from];
            to += 1;
        }
        from += 1;
    }
    out
}

/// Converts a constant's bytes to text. Only the compiler evaluates it.
pub(crate) const fn utf8(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!(),
    }
}

/// Returns the length of [`dedent`]'s result.
pub(crate) const fn dedented(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut from, mut n, mut starts) = (0, 0, true);
    while from + 1 < bytes.len() {
        if !(starts && bytes[from] == b' ') {
            n += 1;
        }
        starts = bytes[from] == b'\n';
        from += 1;
    }
    n
}

/// Declares methods of a native type as a table of `PyMethodDef`s.
///
/// Each method is written like a function of the object, the VM and the [`Argument`]s.
/// Arguments of methods under `named` can be given by name. A method under `varargs`
/// gets the list of its arguments, and has no signature, as in CPython. A method under
/// `python` is one that CPython writes in Python; its arguments, if it
/// has any, are one `FromArgs`.
macro_rules! methods {
    (
        $(#[$meta:meta])*
        $vis:vis const $table:ident: $payload:ty;
        $($group:ident {$(
            $(#[doc = $doc:literal])*
            fn $name:ident($zelf:ident, $vm:ident $(, $field:ident: $kind:ty)* $(,)?) $body:block
        )*})*
    ) => {
        $(#[$meta])*
        $vis const $table: &[::rustpython_vm::function::PyMethodDef] = &[$($(
            $crate::vm::method::methods!(
                @def $name, [$($doc)*], vm_function::PyMethodFlags::METHOD,
                method::methods!(@doc $group $(, $field: $kind)*), $vm, args,
                method::methods!(@call $group $payload, args, $vm, $zelf $(, $field: $kind)*; $body)
            ),
        )*)*];
    };

    (
        @def $name:ident, [$($doc:literal)*], $flags:expr, $text:expr, $vm:ident, $args:ident,
        $result:expr
    ) => {{
        use ::rustpython_vm::function as vm_function;
        use $crate::vm::method;

        const NAME: &str = stringify!($name);
        const COMMENT: &str = concat!($($doc, "\n"),*);
        const TEXT: [u8; method::dedented(COMMENT)] = method::dedent(COMMENT);
        const BODY: &str = method::utf8(&TEXT);

        // Inlined into the function that the VM calls, which would only hand the arguments on.
        #[inline(always)]
        fn call(
            $vm: &::rustpython_vm::VirtualMachine,
            $args: vm_function::FuncArgs,
            _callee: vm_function::Callee,
        ) -> ::rustpython_vm::PyResult {
            $result
        }
        vm_function::PyMethodDef::new_raw_const(
            NAME,
            call,
            $flags,
            vm_function::ItemDoc::static_text($text),
        )
    }};

    (@call varargs $payload:ty, $args:ident, $vm:ident, $zelf:ident, $bound:ident: $kind:ty; $body:block) => {{
        let (zelf, $bound): (_, $kind) = method::varargs(NAME, &$args, $vm)?;
        let $zelf = method::instance::<$payload>(zelf, NAME, $vm)?;
        ::rustpython_vm::convert::ToPyResult::to_pyresult($body, $vm)
    }};
    (@call python $payload:ty, $args:ident, $vm:ident, $zelf:ident; $body:block) => {{
        let zelf = {
            use ::rustpython_vm::class::PyClassDef;
            $crate::vm::python_args::instance_only(<$payload>::NAME, NAME, $args, $vm)?
        };
        let $zelf = method::instance::<$payload>(&zelf, NAME, $vm)?;
        ::rustpython_vm::convert::ToPyResult::to_pyresult($body, $vm)
    }};
    (@call python $payload:ty, $args:ident, $vm:ident, $zelf:ident, $bound:ident: $kind:ty; $body:block) => {{
        let (zelf, $bound): (_, $kind) = {
            use ::rustpython_vm::class::PyClassDef;
            $crate::vm::python_args::bind_method(<$payload>::NAME, NAME, $args, $vm)?
        };
        let $zelf = method::instance::<$payload>(&zelf, NAME, $vm)?;
        ::rustpython_vm::convert::ToPyResult::to_pyresult($body, $vm)
    }};
    (
        @call $group:ident $payload:ty, $args:ident, $vm:ident, $zelf:ident
        $(, $field:ident: $kind:ty)*; $body:block
    ) => {{
        const METHOD: method::Callable =
            method::Callable::method(NAME, method::methods!(@params $group $(, $field: $kind)*));
        let (zelf, bound) = method::BoundArgs::of_method(&METHOD, &$args, $vm)?;
        let $zelf = method::instance::<$payload>(zelf, NAME, $vm)?;
        let [$($field),*] = bound.in_order();
        $(let $field: $kind = method::read($field, $vm)?;)*
        ::rustpython_vm::convert::ToPyResult::to_pyresult($body, $vm)
    }};

    (@doc varargs $(, $field:ident: $kind:ty)*) => { BODY };
    (@doc python) => {
        method::methods!(@doc python, _none: ())
    };
    (@doc python, $field:ident: $kind:ty) => {
        method::methods!(@signature <$kind as vm_function::FromArgs>::PARAMS)
    };
    (@doc $group:ident $(, $field:ident: $kind:ty)*) => {
        method::methods!(@signature Some(method::methods!(@params $group $(, $field: $kind)*)))
    };
    (@signature $params:expr) => { method::methods!(@signature "$self", $params) };
    (@signature $first:literal, $params:expr) => {{
        const SIGNATURE: &[vm_function::SigArg] = &[
            vm_function::SigArg::marker($first),
            vm_function::SigArg {
                name: "",
                params: $params,
            },
        ];
        const LEN: usize = vm_function::internal_doc_len(NAME, SIGNATURE, BODY);
        const DOC: [u8; LEN] = vm_function::internal_doc_bytes(NAME, SIGNATURE, BODY);
        method::utf8(&DOC)
    }};

    (@params $group:ident $(, $field:ident: $kind:ty)*) => {
        &[$(method::param::<$kind>(stringify!($field), method::methods!(@kind $group)),)*]
    };
    (@kind object) => { vm_function::ParamKind::PositionalOnly };
    (@kind positional) => { vm_function::ParamKind::PositionalOnly };
    (@kind named) => { vm_function::ParamKind::PositionalOrKeyword };
}

/// Declares functions of the modules `socket` and `_socket` as a table of `PyMethodDef`s.
///
/// Each function is written like a function of the VM and the [`Argument`]s. Functions under
/// `object` are those that CPython declares with METH_O. A function under `keywords` has one
/// `FromArgs`, whose arguments can be given by name.
macro_rules! functions {
    (
        $(#[$meta:meta])*
        $vis:vis const $table:ident;
        $($group:ident {$(
            $(#[doc = $doc:literal])*
            fn $name:ident($vm:ident $(, $field:ident: $kind:ty)* $(,)?) $body:block
        )*})*
    ) => {
        $(#[$meta])*
        $vis const $table: &[::rustpython_vm::function::PyMethodDef] = &[$($(
            $crate::vm::method::methods!(
                @def $name, [$($doc)*], vm_function::PyMethodFlags::empty(),
                method::methods!(
                    @signature "$module", Some(method::functions!(@params $group $(, $field: $kind)*))
                ),
                $vm, args,
                {
                    const FUNCTION: method::Callable = method::Callable {
                        is_method: false,
                        name: NAME,
                        params: method::functions!(@params $group $(, $field: $kind)*),
                        takes_object: method::is_object(stringify!($group)),
                    };
                    method::functions!(@read $group args, $vm $(, $field: $kind)*);
                    ::rustpython_vm::convert::ToPyResult::to_pyresult($body, $vm)
                }
            ),
        )*)*];
    };

    (@params keywords, $args:ident: $kind:ty) => {
        match <$kind as vm_function::FromArgs>::PARAMS {
            Some(params) => params,
            None => &[],
        }
    };
    (@params $group:ident $(, $field:ident: $kind:ty)*) => {
        method::methods!(@params $group $(, $field: $kind)*)
    };
    (@read keywords $args:ident, $vm:ident, $field:ident: $kind:ty) => {
        let $field: $kind = FUNCTION.bind($args, $vm)?;
    };
    (@read $group:ident $args:ident, $vm:ident $(, $field:ident: $kind:ty)*) => {
        let bound = method::BoundArgs::of(&FUNCTION, &$args, $vm)?;
        let [$($field),*] = bound.in_order();
        $(let $field: $kind = method::read($field, $vm)?;)*
    };
}

pub(crate) use {functions, methods};
