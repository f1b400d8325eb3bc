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
use std::vec::IntoIter;

/// A type of argument: how it is read, and its default.
pub(crate) trait Argument: Sized {
    /// Default that `help()` shows; `None` if the argument is required.
    const DEFAULT: Option<DefaultRepr> = None;

    fn read(value: PyObjectRef, vm: &VirtualMachine) -> PyResult<Self>;

    /// Returns the default; `None` if the argument is required.
    #[inline]
    fn default_value() -> Option<Self> {
        None
    }
}

macro_rules! converted {
    ($($kind:ty),*) => {$(
        impl Argument for $kind {
            #[inline]
            fn read(value: PyObjectRef, vm: &VirtualMachine) -> PyResult<Self> {
                value.try_into_value(vm)
            }
        }
    )*};
}

converted!(Data, Int, Size);

/// A number or an object that may be left out.
impl Argument for OptionalArg<PyObjectRef> {
    const DEFAULT: Option<DefaultRepr> = Some(DefaultRepr::Unrepresentable);

    #[inline]
    fn read(value: PyObjectRef, _vm: &VirtualMachine) -> PyResult<Self> {
        Ok(Self::Present(value))
    }

    #[inline]
    fn default_value() -> Option<Self> {
        Some(Self::Missing)
    }
}

impl Argument for PyObjectRef {
    #[inline]
    fn read(value: PyObjectRef, _vm: &VirtualMachine) -> PyResult<Self> {
        Ok(value)
    }
}

/// An object that may be left out or None.
impl Argument for Option<PyObjectRef> {
    const DEFAULT: Option<DefaultRepr> = Some(DefaultRepr::None);

    #[inline]
    fn read(value: PyObjectRef, vm: &VirtualMachine) -> PyResult<Self> {
        Ok(Some(value).filter(|object| !vm.is_none(object)))
    }

    #[inline]
    fn default_value() -> Option<Self> {
        Some(None)
    }
}

/// A number that is 0 if it is left out.
pub(crate) struct OrZero<T>(pub(crate) T);

impl<T: Argument + Default> Argument for OrZero<T> {
    const DEFAULT: Option<DefaultRepr> = Some(DefaultRepr::Int(0));

    #[inline]
    fn read(value: PyObjectRef, vm: &VirtualMachine) -> PyResult<Self> {
        T::read(value, vm).map(Self)
    }

    #[inline]
    fn default_value() -> Option<Self> {
        Some(Self(T::default()))
    }
}

/// Several objects; none if the argument is left out.
pub(crate) struct OrNone(pub(crate) Option<PyObjectRef>);

impl Argument for OrNone {
    const DEFAULT: Option<DefaultRepr> = Some(DefaultRepr::Raw("()"));

    #[inline]
    fn read(value: PyObjectRef, _vm: &VirtualMachine) -> PyResult<Self> {
        Ok(Self(Some(value)))
    }

    #[inline]
    fn default_value() -> Option<Self> {
        Some(Self(None))
    }
}

/// Describes a method's argument for its signature.
pub(crate) const fn param<T: Argument>(name: &'static str, kind: ParamKind) -> Param {
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
            BoundArgs::of_slow(self, args.clone(), vm)?;
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

    /// Refuses more arguments than the callable takes, and all that [`BoundArgs::of_slow`]
    /// gets for one that takes no names.
    fn check_number(&self, args: &FuncArgs, vm: &VirtualMachine) -> PyResult<()> {
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
        let given = args.args.len() + args.kwargs.len();
        if !takes_names {
            let text = if args.kwargs.is_empty() {
                self.wrong_number(given)
            } else {
                self.no_names()
            };
            return Err(vm.new_type_error(text));
        }
        if given > self.params.len() {
            let named = if args.args.is_empty() { "keyword " } else { "" };
            return Err(vm.new_type_error(format!(
                "{}() takes at most {} {named}arguments ({given} given)",
                self.name,
                self.params.len()
            )));
        }
        Ok(())
    }
}

/// The arguments of one call.
pub(crate) enum BoundArgs {
    Positional(IntoIter<PyObjectRef>),
    /// Some arguments were given by name.
    Named(IntoIter<Option<PyObjectRef>>),
}

impl BoundArgs {
    /// Checks the number and the names of the arguments of a function.
    #[inline]
    pub(crate) fn of(function: &Callable, args: FuncArgs, vm: &VirtualMachine) -> PyResult<Self> {
        let number = args.args.len();
        let params = function.params;
        if !args.kwargs.is_empty() || number < required(params) || number > params.len() {
            return Self::of_slow(function, args, vm);
        }
        Ok(Self::Positional(args.args.into_iter()))
    }

    /// Checks the number and the names of the arguments of a method. Its object is returned
    /// separately.
    // Inlined, so that the number of parameters is a constant.
    #[inline(always)]
    pub(crate) fn of_method(
        method: &Callable,
        args: FuncArgs,
        vm: &VirtualMachine,
    ) -> PyResult<(PyObjectRef, Self)> {
        let number = args.args.len().wrapping_sub(1);
        let params = method.params;
        if !args.kwargs.is_empty() || number < required(params) || number > params.len() {
            return Self::of_method_slow(method, args, vm);
        }
        let mut arguments = args.args.into_iter();
        match arguments.next() {
            Some(zelf) => Ok((zelf, Self::Positional(arguments))),
            None => Err(no_instance(method.name, vm)),
        }
    }

    #[cold]
    fn of_method_slow(
        method: &Callable,
        mut args: FuncArgs,
        vm: &VirtualMachine,
    ) -> PyResult<(PyObjectRef, Self)> {
        if args.args.is_empty() {
            return Err(no_instance(method.name, vm));
        }
        let zelf = args.shift();
        Ok((zelf, Self::of_slow(method, args, vm)?))
    }

    /// Binds arguments that have names, or makes the error for a wrong number of them.
    #[cold]
    fn of_slow(callable: &Callable, args: FuncArgs, vm: &VirtualMachine) -> PyResult<Self> {
        callable.check_number(&args, vm)?;
        let name = callable.name;
        let mut positional = args.args.into_iter();
        let mut named = Vec::new();
        for (position, param) in callable.params.iter().enumerate() {
            let value = match (positional.next(), args.kwargs.get(param.name).cloned()) {
                (Some(_), Some(_)) => {
                    return Err(vm.new_type_error(format!(
                        "argument for {name}() given by name ('{}') and position ({})",
                        param.name,
                        position + 1
                    )));
                }
                (positional, named) => positional.or(named),
            };
            if value.is_none() && param.default.is_none() {
                return Err(vm.new_type_error(format!(
                    "{name}() missing required argument '{}' (pos {})",
                    param.name,
                    position + 1
                )));
            }
            named.push(value);
        }
        let is_unknown = |name: &&Wtf8Buf| {
            let mut params = callable.params.iter();
            !params.any(|param| python_args::takes_name(param, name))
        };
        match args.kwargs.keys().find(is_unknown) {
            Some(name) => Err(python_args::unexpected(
                callable.name,
                name,
                callable.params,
                vm,
            )),
            None => Ok(Self::Named(named.into_iter())),
        }
    }

    /// Reads the next argument.
    #[inline]
    pub(crate) fn next<T: Argument>(&mut self, vm: &VirtualMachine) -> PyResult<T> {
        let value = match self {
            Self::Positional(arguments) => arguments.next(),
            Self::Named(arguments) => arguments.next().flatten(),
        };
        match value {
            Some(object) => T::read(object, vm),
            None => T::default_value().ok_or_else(|| vm.new_type_error("an argument is missing")),
        }
    }
}

/// Returns the object on which a method is called.
#[inline(always)]
pub(crate) fn instance<'a, T: PyPayload>(
    zelf: &'a PyObjectRef,
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
pub(crate) fn varargs(
    method: &str,
    args: FuncArgs,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, IntoIter<PyObjectRef>)> {
    let mut arguments = args.args.into_iter();
    match arguments.next() {
        Some(zelf) if args.kwargs.is_empty() => Ok((zelf, arguments)),
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
        let (zelf, $bound): (_, $kind) = method::varargs(NAME, $args, $vm)?;
        let $zelf = method::instance::<$payload>(&zelf, NAME, $vm)?;
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
        #[allow(unused_mut)]
        let (zelf, mut bound) = method::BoundArgs::of_method(&METHOD, $args, $vm)?;
        let $zelf = method::instance::<$payload>(&zelf, NAME, $vm)?;
        $(let $field: $kind = bound.next($vm)?;)*
        drop(bound);
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
        #[allow(unused_mut)]
        let mut bound = method::BoundArgs::of(&FUNCTION, $args, $vm)?;
        $(let $field: $kind = bound.next($vm)?;)*
        drop(bound);
    };
}

pub(crate) use {functions, methods};
