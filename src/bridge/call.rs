//! The arguments of the methods that run most often, read where they lie.
//!
//! What the VM generates for a method takes each argument out of the list of
//! them in turn, which costs as much as a short call itself. Here a call whose
//! arguments are of the right number and have no names is read in place; the
//! VM's own binding does every other one, and makes every message about them.

use super::Data;
use super::args::{Int, Size};
use rustpython_vm::convert::ToPyResult;
use rustpython_vm::function::{Callee, FromArgs, FuncArgs, OptionalArg};
use rustpython_vm::{
    Py, PyObjectRef, PyPayload, PyRef, PyResult, TryFromBorrowedObject, VirtualMachine,
};

/// A positional argument, or that there may be none.
pub(crate) trait Argument: FromArgs {
    /// `None` if it is missing and must not be.
    fn read(given: Option<&PyObjectRef>, vm: &VirtualMachine) -> PyResult<Option<Self>>;
}

impl Argument for PyObjectRef {
    #[inline]
    fn read(given: Option<&PyObjectRef>, _vm: &VirtualMachine) -> PyResult<Option<Self>> {
        Ok(given.cloned())
    }
}

macro_rules! converted {
    ($($kind:ty)*) => {$(
        impl Argument for $kind {
            #[inline]
            fn read(given: Option<&PyObjectRef>, vm: &VirtualMachine) -> PyResult<Option<Self>> {
                given.map(|object| Self::try_from_borrowed_object(vm, object)).transpose()
            }
        }
    )*};
}

converted!(Int Size Data);

impl<T: Argument> Argument for OptionalArg<T>
where
    Self: FromArgs,
{
    #[inline]
    fn read(given: Option<&PyObjectRef>, vm: &VirtualMachine) -> PyResult<Option<Self>> {
        match given {
            Some(_) => Ok(T::read(given, vm)?.map(Self::Present)),
            None => Ok(Some(Self::Missing)),
        }
    }
}

/// A method's arguments, but for the object it is called on.
pub(crate) trait Arguments: FromArgs {
    /// `None` if one is missing; nothing has been converted then.
    fn read(given: &[PyObjectRef], vm: &VirtualMachine) -> PyResult<Option<Self>>;
}

macro_rules! tuples {
    ($($($kind:ident)+;)*) => {$(
        impl<$($kind: Argument),+> Arguments for ($($kind,)+) {
            #[inline]
            fn read(given: &[PyObjectRef], vm: &VirtualMachine) -> PyResult<Option<Self>> {
                if !Self::arity().contains(&given.len()) {
                    return Ok(None);
                }
                let mut given = given.iter();
                Ok(Some(($(
                    match $kind::read(given.next(), vm)? {
                        Some(argument) => argument,
                        None => return Ok(None),
                    },
                )+)))
            }
        }
    )*};
}

tuples! {
    A B;
    A B C;
    A B C D;
}

/// Calls a method with its arguments.
#[inline]
pub(crate) fn method<S, T, R>(
    vm: &VirtualMachine,
    args: FuncArgs,
    callee: Callee,
    body: impl FnOnce(&Py<S>, T) -> R,
) -> PyResult
where
    S: PyPayload,
    T: Arguments,
    R: ToPyResult,
{
    if args.kwargs.is_empty()
        && let Some((zelf, given)) = args.args.split_first()
        && let Some(zelf) = zelf.downcast_ref::<S>()
        && let Some(given) = T::read(given, vm)?
    {
        return body(zelf, given).to_pyresult(vm);
    }
    bound(vm, args, callee, body)
}

#[cold]
fn bound<S, T, R>(
    vm: &VirtualMachine,
    args: FuncArgs,
    callee: Callee,
    body: impl FnOnce(&Py<S>, T) -> R,
) -> PyResult
where
    S: PyPayload,
    T: FromArgs,
    R: ToPyResult,
{
    let (zelf, given) = args.bind_for::<(PyRef<S>, T)>(vm, callee)?;
    body(&zelf, given).to_pyresult(vm)
}
