//! Arguments as CPython's format units take them, with its messages.

use crate::net::Timeout;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyFloat};
use rustpython_vm::{AsObject, PyObject, PyObjectRef, PyResult, TryFromObject, VirtualMachine};
use std::time::Duration;

/// A C `int` (format unit `i`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Int(pub(crate) i32);

impl TryFromObject for Int {
    #[inline]
    fn try_from_object(vm: &VirtualMachine, value: PyObjectRef) -> PyResult<Self> {
        int(&value, vm).map(Self)
    }
}

/// A C `int`, from a borrowed object.
#[inline]
pub(crate) fn int(value: &PyObject, vm: &VirtualMachine) -> PyResult<i32> {
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

/// A C `Py_ssize_t` (format unit `n`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(pub(crate) isize);

impl TryFromObject for Size {
    #[inline]
    fn try_from_object(vm: &VirtualMachine, value: PyObjectRef) -> PyResult<Self> {
        let index = value.try_index(vm)?;
        isize::try_from(index.as_bigint())
            .map(Self)
            .map_err(|_| vm.new_overflow_error("Python int too large to convert to C ssize_t"))
    }
}

/// A timeout in seconds, or None for none, as `settimeout()` takes it.
pub(crate) fn timeout(value: &PyObject, vm: &VirtualMachine) -> PyResult<Timeout> {
    if vm.is_none(value) {
        return Ok(Timeout::Never);
    }
    let nanos = match value.downcast_ref::<PyFloat>() {
        Some(seconds) => nanoseconds(seconds.to_f64(), vm)?,
        None => {
            let overflow =
                || vm.new_overflow_error("timestamp too large to convert to C PyTime_t");
            let seconds = i64::try_from(value.try_index(vm)?.as_bigint()).map_err(|_| overflow())?;
            seconds.checked_mul(1_000_000_000).ok_or_else(overflow)?
        }
    };
    match nanos {
        n if n < 0 => Err(vm.new_value_error("Timeout value out of range")),
        0 => Ok(Timeout::Zero),
        n => Ok(Timeout::After(Duration::from_nanos(n as u64))),
    }
}

/// Seconds to nanoseconds, away from zero: a tiny timeout is not none.
fn nanoseconds(seconds: f64, vm: &VirtualMachine) -> PyResult<i64> {
    if seconds.is_nan() {
        return Err(vm.new_value_error("Invalid value NaN (not a number)"));
    }
    let nanos = seconds * 1e9;
    let nanos = if nanos < 0.0 { nanos.floor() } else { nanos.ceil() };
    // 2^63, exactly; above it and below its negative there is no i64.
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&nanos) {
        return Err(vm.new_overflow_error("timestamp out of range for platform time_t"));
    }
    Ok(nanos as i64)
}

/// The name of a value's type, for messages.
pub(crate) fn type_name(value: &PyObject) -> String {
    value.class().name().to_string()
}

/// `caller: expected ..., got ...`-like TypeErrors.
pub(crate) fn wrong_type(message: String, vm: &VirtualMachine) -> PyBaseExceptionRef {
    vm.new_type_error(message)
}
