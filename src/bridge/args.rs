//! Arguments that are read like CPython's format units, with CPython's messages.

use crate::net::Timeout;
use rustpython_vm::builtins::{PyFloat, PyInt, PyList, PyTuple};
use rustpython_vm::{
    AsObject, PyObject, PyObjectRef, PyResult, TryFromBorrowedObject, VirtualMachine,
};
use smallvec::SmallVec;
use std::time::Duration;

/// A C `int` (format unit `i`).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Int(pub(crate) i32);

impl<'a> TryFromBorrowedObject<'a> for Int {
    #[inline]
    fn try_from_borrowed_object(vm: &VirtualMachine, value: &'a PyObject) -> PyResult<Self> {
        int(value, vm).map(Self)
    }
}

/// Reads a C `int` from a borrowed object.
#[inline]
pub(crate) fn int(value: &PyObject, vm: &VirtualMachine) -> PyResult<i32> {
    // Mostly it is an int already; then `__index__` need not be called.
    if let Some(int) = value.downcast_ref::<PyInt>()
        && let Ok(int) = i32::try_from(int.as_bigint())
    {
        return Ok(int);
    }
    let index = value.try_index(vm)?;
    let value = index.as_bigint();
    i32::try_from(value).map_err(|_| {
        vm.new_overflow_error(match i64::try_from(value) {
            Ok(n) if n > 0 => "signed integer is greater than maximum",
            Ok(_) => "signed integer is less than minimum",
            Err(_) => "Python int too large to convert to C long",
        })
    })
}

/// Returns exactly `N` items, or the exceptions of an assignment to as many names.
pub(crate) fn unpack<const N: usize>(
    value: &PyObject,
    vm: &VirtualMachine,
) -> PyResult<[PyObjectRef; N]> {
    let iterator = value.to_owned().get_iter(vm).map_err(|raised| {
        if !raised.fast_isinstance(vm.ctx.exceptions.type_error) {
            return raised;
        }
        let name = type_name(value);
        vm.new_type_error(format!("cannot unpack non-iterable {name} object"))
    })?;
    // One more than there are names tells that there are too many.
    let mut items = Vec::with_capacity(N + 1);
    for item in iterator.iter::<PyObjectRef>(vm)?.take(N + 1) {
        items.push(item?);
    }
    <[PyObjectRef; N]>::try_from(items).map_err(|items| {
        let got = items.len();
        vm.new_value_error(if got > N {
            format!("too many values to unpack (expected {N})")
        } else {
            format!("not enough values to unpack (expected {N}, got {got})")
        })
    })
}

/// A C `Py_ssize_t` (format unit `n`).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size(pub(crate) isize);

impl<'a> TryFromBorrowedObject<'a> for Size {
    #[inline]
    fn try_from_borrowed_object(vm: &VirtualMachine, value: &'a PyObject) -> PyResult<Self> {
        if let Some(int) = value.downcast_ref::<PyInt>()
            && let Ok(int) = isize::try_from(int.as_bigint())
        {
            return Ok(Self(int));
        }
        let index = value.try_index(vm)?;
        isize::try_from(index.as_bigint())
            .map(Self)
            .map_err(|_| vm.new_overflow_error("Python int too large to convert to C ssize_t"))
    }
}

/// Reads a C `unsigned int` (format unit `I`). Larger numbers wrap around without an
/// error.
pub(crate) fn unsigned(value: &PyObject, vm: &VirtualMachine) -> PyResult<u32> {
    Ok(value.try_index(vm)?.as_u32_mask())
}

/// Reads a C `unsigned long long` (format unit `K`). Larger numbers wrap around without
/// an error.
pub(crate) fn unsigned_long(value: &PyObject, vm: &VirtualMachine) -> PyResult<u64> {
    Ok(value.try_index(vm)?.as_u64_mask())
}

/// A list of a few items, which mostly needs no allocation.
pub(crate) type Few<T> = SmallVec<[T; 4]>;

/// Returns the items of an iterable, or CPython's TypeError about `what`.
///
/// All items are fetched before any is used, so that an item's conversion, which may
/// change the list, does not affect this call.
pub(crate) fn to_sequence(
    value: &PyObject,
    what: &str,
    vm: &VirtualMachine,
) -> PyResult<Few<PyObjectRef>> {
    if let Some(list) = value.downcast_ref::<PyList>() {
        return Ok(list.borrow_vec().iter().cloned().collect());
    }
    if let Some(tuple) = value.downcast_ref::<PyTuple>() {
        return Ok(tuple.iter().cloned().collect());
    }
    let iterator = value.to_owned().get_iter(vm).map_err(|raised| {
        if raised.fast_isinstance(vm.ctx.exceptions.type_error) {
            vm.new_type_error(format!("{what} must be an iterable"))
        } else {
            raised
        }
    })?;
    iterator.iter::<PyObjectRef>(vm)?.collect()
}

/// Reads a timeout in seconds, or None for no timeout, like `settimeout()`. From
/// CPython 3.15 on any real number is accepted, such as a Decimal.
pub(crate) fn timeout(value: &PyObject, vm: &VirtualMachine) -> PyResult<Timeout> {
    if vm.is_none(value) {
        return Ok(Timeout::Blocking);
    }
    let nanos = match value.downcast_ref::<PyFloat>() {
        Some(seconds) => nanoseconds(seconds.to_f64(), vm)?,
        None => match value.try_index_opt(vm) {
            Some(index) => {
                let overflow =
                    || vm.new_overflow_error("timestamp too large to convert to C PyTime_t");
                let seconds = i64::try_from(index?.as_bigint()).map_err(|_| overflow())?;
                seconds.checked_mul(1_000_000_000).ok_or_else(overflow)?
            }
            None => match value.try_float_opt(vm) {
                Some(seconds) => nanoseconds(seconds?.to_f64(), vm)?,
                None => {
                    let name = type_name(value);
                    let text = format!("'{name}' object cannot be interpreted as an integer");
                    return Err(vm.new_type_error(text));
                }
            },
        },
    };
    match nanos {
        n if n < 0 => Err(vm.new_value_error("Timeout value out of range")),
        0 => Ok(Timeout::NonBlocking),
        n => Ok(Timeout::After(Duration::from_nanos(n as u64))),
    }
}

/// Converts a timeout to Python: seconds, or None.
pub(crate) fn timeout_object(timeout: Timeout, vm: &VirtualMachine) -> PyObjectRef {
    match timeout {
        Timeout::Blocking => vm.ctx.none(),
        Timeout::NonBlocking => vm.ctx.new_float(0.0).into(),
        // Not `as_secs_f64`, which rounds twice.
        Timeout::After(timeout) => vm.ctx.new_float(timeout.as_nanos() as f64 / 1e9).into(),
    }
}

/// Converts seconds to nanoseconds, rounded away from zero, so that a tiny timeout does
/// not become 0.
fn nanoseconds(seconds: f64, vm: &VirtualMachine) -> PyResult<i64> {
    if seconds.is_nan() {
        return Err(vm.new_value_error("Invalid value NaN (not a number)"));
    }
    let nanos = seconds * 1e9;
    let nanos = if nanos < 0.0 {
        nanos.floor()
    } else {
        nanos.ceil()
    };
    // The bounds are exactly -2^63 and 2^63; an i64 has no larger numbers.
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&nanos) {
        return Err(vm.new_overflow_error("timestamp out of range for platform time_t"));
    }
    Ok(nanos as i64)
}

/// Returns the name of a value's type, for messages.
pub(crate) fn type_name(value: &PyObject) -> String {
    value.class().name().to_string()
}
