//! Converts Python values to socket addresses and back, with a file for each family.
//!
//! A new family needs a file, and a line in each of the two tables here, in [`parse`]
//! and in [`to_python`]. Its file reads the items of an address tuple by [`Items`], like
//! CPython's `PyArg_ParseTuple` and with its messages.

mod alg;
mod bluetooth;
mod can;
pub(crate) mod idna;
pub(crate) mod inet;
mod netlink;
mod packet;
mod qipcrtr;
mod tipc;
mod unix;
mod vsock;

#[cfg(test)]
pub(crate) mod testing;

use crate::bridge::args::{self, type_name};
use crate::bridge::errors::{OrRaise, plain_os_error};
use crate::bridge::text;
use crate::net::Timeout;
use crate::policy::{NameGrant, Operation, Permitted};
use crate::sockaddr::SockAddr;
use crate::sockaddr::family::AF_QIPCRTR;
use crate::sockaddr::layout::FAMILY_SIZE;
use crate::state::State;
use nix::libc;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyTuple};
use rustpython_vm::{AsObject, PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::ffi::CString;
use std::ops::RangeInclusive;

/// An address that a script gave, with its use.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub vm: &'a VirtualMachine,
    /// The state of the interpreter, with its gate and its control.
    pub state: &'a State,
    /// The socket's AF_ number, which decides the format.
    pub family: i32,
    /// The socket's protocol, which some families' formats depend on.
    pub protocol: i32,
    /// The method or function that the script called, for messages.
    pub caller: &'static str,
    /// The operation that will use the address.
    pub operation: Operation,
    /// Limit on the look-up of the address's host.
    pub timeout: Timeout,
}

/// An address that its family's file has read, and the grant of the name it was
/// resolved from.
struct Parsed {
    address: SockAddr,
    name: Option<NameGrant>,
}

impl From<SockAddr> for Parsed {
    fn from(address: SockAddr) -> Self {
        Self {
            address,
            name: None,
        }
    }
}

/// Converts `value` to an address: resolves its host, which may wait, and asks the gate
/// (CPython's `getsockaddrarg`).
pub(crate) fn parse(request: &Request<'_>, value: &PyObject) -> PyResult<Permitted<SockAddr>> {
    let parsed = match request.family {
        // RDS sockets have Internet addresses (rds(7)).
        libc::AF_INET | libc::AF_RDS => inet::parse(request, value)?,
        libc::AF_INET6 => inet::parse6(request, value)?,
        libc::AF_UNIX => unix::parse(request, value)?,
        libc::AF_NETLINK => netlink::parse(request, value)?,
        libc::AF_PACKET => packet::parse(request, value)?,
        libc::AF_VSOCK => vsock::parse(request, value)?,
        libc::AF_CAN => can::parse(request, value)?,
        libc::AF_ALG => alg::parse(request, value)?,
        libc::AF_BLUETOOTH => bluetooth::parse(request, value)?,
        libc::AF_TIPC => tipc::parse(request, value)?,
        AF_QIPCRTR => qipcrtr::parse(request, value)?,
        _ => return Err(request.os_error("bad family")),
    };
    request
        .state
        .runtime
        .gate
        .address(request.operation, parsed.address, parsed.name.as_ref())
        .or_raise(request.vm)
}

/// Converts an address from the kernel to a Python value (CPython's `makesockaddr`).
/// `protocol` is the socket's.
///
/// The value is None if the kernel gave no address, and the pair (family, bytes) for an
/// unknown family. Fields beyond the end of a short address are zeros.
pub(crate) fn to_python(vm: &VirtualMachine, address: &SockAddr, protocol: i32) -> PyResult {
    if address.is_empty() {
        return Ok(vm.ctx.none());
    }
    Ok(match address.family() {
        libc::AF_INET => inet::to_python(vm, address),
        libc::AF_INET6 => inet::to_python6(vm, address),
        libc::AF_UNIX => unix::to_python(vm, address),
        libc::AF_NETLINK => netlink::to_python(vm, address),
        libc::AF_PACKET => packet::to_python(vm, address),
        libc::AF_VSOCK => vsock::to_python(vm, address),
        libc::AF_CAN => can::to_python(vm, address, protocol),
        libc::AF_ALG => alg::to_python(vm, address),
        libc::AF_BLUETOOTH => bluetooth::to_python(vm, address, protocol)?,
        libc::AF_TIPC => tipc::to_python(vm, address)?,
        AF_QIPCRTR => qipcrtr::to_python(vm, address),
        family => unknown(vm, family, address),
    })
}

/// Returns the family and the bytes after it. There are at least as many as in `struct
/// sockaddr`, like in CPython, and all that the kernel wrote, which can be more.
fn unknown(vm: &VirtualMachine, family: i32, address: &SockAddr) -> PyObjectRef {
    let mut data = address
        .as_bytes()
        .get(FAMILY_SIZE..)
        .unwrap_or_default()
        .to_vec();
    if data.len() < 14 {
        data.resize(14, 0);
    }
    vm.new_tuple((family, vm.ctx.new_bytes(data))).into()
}

impl Request<'_> {
    /// Returns the items of an address that has to be a tuple.
    fn tuple<'v>(&self, family: &str, value: &'v PyObject) -> PyResult<&'v [PyObjectRef]> {
        self.tuple_for(format_args!("{}()", self.caller), family, value)
    }

    /// Reads a tuple like [`tuple`](Self::tuple), for families whose messages in CPython name the C
    /// function instead of the caller.
    fn tuple_for<'v>(
        &self,
        caller: impl std::fmt::Display,
        family: &str,
        value: &'v PyObject,
    ) -> PyResult<&'v [PyObjectRef]> {
        match value.downcast_ref::<PyTuple>() {
            Some(tuple) => Ok(tuple.as_slice()),
            None => Err(self.vm.new_type_error(format!(
                "{caller}: {family} address must be tuple, not {}",
                type_name(value)
            ))),
        }
    }

    /// Reads an address that is a pair of unsigned numbers.
    fn pair_of_numbers(&self, family: &str, value: &PyObject) -> PyResult<(u32, u32)> {
        const CALLER: &str = "getsockaddrarg";
        let items = self.tuple_for(CALLER, family, value)?;
        let mut items = Items::new(self.vm, items, 2..=2, Refusal::Function(CALLER))?;
        Ok((items.unsigned()? as u32, items.unsigned()? as u32))
    }

    /// Reads items of which any may overflow. CPython has one message for all of them.
    fn or_overflow<T>(&self, message: &str, read: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
        read().map_err(|error| {
            let overflow = self.vm.ctx.exceptions.overflow_error;
            if error.as_object().fast_isinstance(overflow) {
                self.overflow(message)
            } else {
                error
            }
        })
    }

    /// Makes an OverflowError whose message begins with the caller.
    fn overflow(&self, message: &str) -> PyBaseExceptionRef {
        let message = format!("{}(): {message}", self.caller);
        self.vm.new_overflow_error(message)
    }

    /// Makes an OSError without a number, whose message begins with the caller.
    fn os_error(&self, message: &str) -> PyBaseExceptionRef {
        plain_os_error(&format!("{}(): {message}", self.caller), self.vm)
    }
}

/// Wording of the error for a tuple of the wrong shape.
#[derive(Clone, Copy)]
enum Refusal {
    /// This message, whatever is wrong (a format that ends in `;...`).
    Message(&'static str),
    /// The error and the name of the function (a format that ends in `:...`).
    Function(&'static str),
    /// The error alone (a format that ends with its units).
    Plain,
}

/// Items that are not read yet.
struct Items<'a> {
    vm: &'a VirtualMachine,
    left: std::slice::Iter<'a, PyObjectRef>,
    count: usize,
    refusal: Refusal,
}

impl<'a> Items<'a> {
    /// Begins to read a tuple. An error if it has too few or too many items.
    fn new(
        vm: &'a VirtualMachine,
        items: &'a [PyObjectRef],
        expected: RangeInclusive<usize>,
        refusal: Refusal,
    ) -> PyResult<Self> {
        if !expected.contains(&items.len()) {
            return Err(wrong_count(vm, items.len(), *expected.end(), refusal));
        }
        Ok(Self {
            vm,
            left: items.iter(),
            count: items.len(),
            refusal,
        })
    }

    /// Returns true once every item was read.
    fn is_empty(&self) -> bool {
        self.left.len() == 0
    }

    /// Returns the next item unchanged.
    fn object(&mut self) -> PyResult<&'a PyObject> {
        match self.left.next() {
            Some(item) => Ok(item.as_object()),
            // `new` has counted the items, so this can only follow from a wrong range
            // there.
            None => Err(wrong_count(
                self.vm,
                self.count,
                self.count + 1,
                self.refusal,
            )),
        }
    }

    /// Returns the next item, if there is another.
    fn optional(&mut self) -> Option<&'a PyObject> {
        self.left.next().map(|item| item.as_object())
    }

    /// Reads a C `int` (unit `i`).
    fn int(&mut self) -> PyResult<i32> {
        args::int(self.object()?, self.vm)
    }

    /// Reads an optional C `int`.
    fn int_or(&mut self, default: i32) -> PyResult<i32> {
        self.optional()
            .map_or(Ok(default), |item| args::int(item, self.vm))
    }

    /// Reads an unsigned integer (units `B`, `H` and `I`) of any size. The caller cuts it
    /// to the size of the field, because these units do not overflow.
    fn unsigned(&mut self) -> PyResult<u64> {
        unsigned(self.vm, self.object()?)
    }

    /// Reads an optional unsigned integer.
    fn unsigned_or(&mut self, default: u64) -> PyResult<u64> {
        self.optional()
            .map_or(Ok(default), |item| unsigned(self.vm, item))
    }

    /// Reads an unsigned integer (units `k` and `K`), which differ from the others in their
    /// message.
    fn long(&mut self) -> PyResult<u64> {
        let item = self.object()?;
        match item.try_index_opt(self.vm) {
            Some(index) => Ok(index?.as_u64_mask()),
            None => Err(self.wrong_type("int", item)),
        }
    }

    /// Reads a `str` as UTF-8 (unit `s`).
    fn text(&mut self) -> PyResult<CString> {
        let item = self.object()?;
        text::utf8(self.vm, item)?.ok_or_else(|| self.wrong_type("str", item))
    }

    /// Makes the TypeError about the item that was read last.
    fn wrong_type(&self, expected: &str, item: &PyObject) -> PyBaseExceptionRef {
        let number = self.count - self.left.len();
        let function = match self.refusal {
            Refusal::Message(message) => return self.vm.new_type_error(message),
            Refusal::Function(function) => format!("{function}() "),
            Refusal::Plain => String::new(),
        };
        let found = text::type_or_none(item, self.vm);
        let message = format!("{function}argument {number} must be {expected}, not {found}");
        self.vm.new_type_error(message)
    }
}

fn unsigned(vm: &VirtualMachine, item: &PyObject) -> PyResult<u64> {
    Ok(item.try_index(vm)?.as_u64_mask())
}

/// Makes the TypeError about the number of items. No format that needs this error has
/// optional items, so `expected` is the only valid count.
fn wrong_count(
    vm: &VirtualMachine,
    given: usize,
    expected: usize,
    refusal: Refusal,
) -> PyBaseExceptionRef {
    let function = match refusal {
        Refusal::Message(message) => return vm.new_type_error(message),
        Refusal::Function(function) => format!("{function}()"),
        Refusal::Plain => "function".to_owned(),
    };
    let plural = if expected == 1 { "" } else { "s" };
    vm.new_type_error(format!(
        "{function} takes exactly {expected} argument{plural} ({given} given)"
    ))
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;

    #[test]
    fn no_address_of_any_family_or_length_panics() {
        run(|vm| {
            for family in 0..=50u16 {
                for len in 0..=SockAddr::CAPACITY {
                    for fill in [0u8, 1, 0x2f, 0x80, 0xff] {
                        let mut bytes = [fill; SockAddr::CAPACITY];
                        bytes[..2].copy_from_slice(&family.to_ne_bytes());
                        let address = SockAddr::from_bytes(&bytes[..len]).unwrap();
                        for protocol in [0, 1, 2, 3, 6, 7, 99] {
                            // An error is a Python exception, which is allowed.
                            let _ = to_python(vm, &address, protocol);
                        }
                    }
                }
            }
        });
    }

    #[test]
    fn no_value_of_any_type_panics() {
        let values = [
            "None",
            "0",
            "-1",
            "2**80",
            "1.5",
            "''",
            "b''",
            "'lo'",
            "[]",
            "()",
            "(None,)",
            "('',)",
            "('', 0)",
            "('lo', 1)",
            "('lo', 2**80, -2**80)",
            "('lo', 1, 2)",
            "('lo', 1, 2, 3)",
            "('lo', 1, 2, 3, b'')",
            "(1, 2, 3, 4, 5)",
            "(-1, -2**80, 2**80, 2**64)",
            "('\\0', 1)",
            "('\\ud800', 1)",
            "'\\ud800'",
            "'\\udc80'",
            "b'\\xff' * 200",
            "('a', 'b', 'c', 'd')",
            "memoryview(b'ab')[::2]",
            "memoryview(b'ab' * 100)[::2]",
            "int",
            "...",
        ];
        run(|vm| {
            let values = values.map(|value| eval(vm, value));
            for family in -1..=50 {
                for protocol in [0, 1, 2, 3, 6, 7, 99] {
                    // If the gate refuses, no name is looked up.
                    let call = Call {
                        deny: true,
                        ..Call::new(family, protocol)
                    };
                    for value in &values {
                        assert!(call.parse_value(vm, value).is_err());
                    }
                }
            }
        });
    }

    #[test]
    fn an_address_of_no_bytes_is_none() {
        run(|vm| {
            let value = to_python(vm, &SockAddr::empty(), 0).unwrap();
            assert!(vm.is_none(&value));
        });
    }

    #[test]
    fn an_unknown_family_is_a_pair() {
        run(|vm| {
            assert_eq!(
                read(vm, &[99, 0, 1, 2, 3], 0),
                format!("(99, b'\\x01\\x02\\x03{}')", "\\x00".repeat(11))
            );
            assert_eq!(
                read(vm, &[99], 0),
                format!("(0, b'{}')", "\\x00".repeat(14))
            );
            let mut long = vec![99, 0];
            long.extend([b'x'; 30]);
            assert_eq!(read(vm, &long, 0), format!("(99, b'{}')", "x".repeat(30)));
            assert_eq!(
                refused(vm, Call::new(99, 0), "5"),
                "OSError: connect(): bad family"
            );
        });
    }

    #[test]
    fn the_gate_sees_exactly_the_address_that_is_used() {
        run(|vm| {
            let seen = Seen::default();
            let call = Call {
                seen: Some(seen.clone()),
                ..Call::new(libc::AF_INET, 0)
            };
            call.parse(vm, "('127.1', 80)").unwrap();
            assert_eq!(seen.take(), ["connect SockAddr(127.0.0.1 port 80) None"]);

            call.parse(vm, "('localhost', 80)").unwrap();
            assert_eq!(
                seen.take(),
                [
                    "connect Name localhost Some(80)",
                    "connect SockAddr(127.0.0.1 port 80) Some(\"localhost\")"
                ]
            );
            // No connection can follow, so the gate is asked only about the look-up.
            assert_eq!(
                refused(vm, call.clone(), "('localhost', 70000)"),
                "OverflowError: connect(): port must be 0-65535."
            );
            assert_eq!(seen.take(), ["resolve Name localhost None"]);

            let call = Call {
                family: libc::AF_UNIX,
                operation: Operation::Bind,
                ..call
            };
            call.parse(vm, "'/a'").unwrap();
            assert_eq!(
                seen.take(),
                ["bind SockAddr(family 1, [1, 0, 47, 97, 0]) None"]
            );
        });
    }

    #[test]
    fn a_refusal_is_a_permission_error() {
        run(|vm| {
            let call = Call {
                deny: true,
                ..Call::new(libc::AF_INET, 0)
            };
            for value in ["('127.0.0.1', 80)", "('localhost', 80)"] {
                assert_eq!(
                    refused(vm, call.clone(), value),
                    "PermissionError: [Errno 13] not here"
                );
            }
        });
    }
}
