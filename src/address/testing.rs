//! Helpers for the tests of this layer, with Python literals as input and `repr()` as
//! output, on a VM without a standard library.

use super::{Request, parse, to_python};
use crate::policy::{Denied, Gate, Operation, Policy, Target};
use crate::sockaddr::SockAddr;
use crate::state::{Runtime, State};
use crate::testing;
use rustpython_vm::compiler::Mode;
use rustpython_vm::{AsObject, PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::sync::{Arc, Mutex};

/// Runs `test` on a VM of its own.
pub(crate) fn run(test: impl FnOnce(&VirtualMachine)) {
    testing::interpreter(|_| Vec::new()).enter(test);
}

/// Returns the value of a Python expression.
pub(crate) fn eval(vm: &VirtualMachine, source: &str) -> PyObjectRef {
    let code = vm.compile(source, Mode::Eval, "<test>").unwrap();
    vm.run_code_obj(code, vm.new_scope_with_builtins()).unwrap()
}

/// Requests that a gate was asked about.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Recorder {
    seen: Seen,
    deny: bool,
}

impl Policy for Recorder {
    fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied> {
        let target = match target {
            Target::Name { host, port } => format!("Name {host} {port:?}"),
            Target::Address { address, name, .. } => format!("{address:?} {name:?}"),
            other => format!("{other:?}"),
        };
        self.seen
            .0
            .lock()
            .unwrap()
            .push(format!("{operation} {target}"));
        if self.deny {
            Err(Denied::new("not here"))
        } else {
            Ok(())
        }
    }
}

/// A call that takes an address.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) family: i32,
    pub(crate) protocol: i32,
    pub(crate) operation: Operation,
    pub(crate) seen: Option<Seen>,
    pub(crate) deny: bool,
}

impl Call {
    /// Makes a `connect()` on a socket of some family and protocol.
    pub(crate) fn new(family: i32, protocol: i32) -> Self {
        Self {
            family,
            protocol,
            operation: Operation::Connect,
            seen: None,
            deny: false,
        }
    }

    /// Calls `f` with the request.
    pub(crate) fn request<R>(&self, vm: &VirtualMachine, f: impl FnOnce(&Request<'_>) -> R) -> R {
        let mut runtime = Runtime::default();
        if self.seen.is_some() || self.deny {
            let seen = self.seen.clone().unwrap_or_default();
            let deny = self.deny;
            runtime.gate = Gate::new(Some(Arc::new(Recorder { seen, deny })));
        }
        let state = State::new(Arc::new(runtime));
        f(&Request {
            vm,
            state: &state,
            family: self.family,
            protocol: self.protocol,
            caller: "connect",
            operation: self.operation,
            timeout: crate::net::Timeout::Blocking,
        })
    }

    /// Parses a Python expression.
    pub(crate) fn parse(&self, vm: &VirtualMachine, source: &str) -> PyResult<SockAddr> {
        self.parse_value(vm, &eval(vm, source))
    }

    /// Parses a value.
    pub(crate) fn parse_value(&self, vm: &VirtualMachine, value: &PyObject) -> PyResult<SockAddr> {
        self.request(vm, |request| Ok(*parse(request, value)?.get()))
    }
}

/// Returns the encoding of an address that is a Python expression.
#[track_caller]
pub(crate) fn encoded(vm: &VirtualMachine, call: Call, source: &str) -> Vec<u8> {
    match call.parse(vm, source) {
        Ok(address) => address.as_bytes().to_vec(),
        Err(error) => panic!("{source}: {}", describe(vm, error.into())),
    }
}

/// Returns the exception with which an address is refused, as `Type: text`.
#[track_caller]
pub(crate) fn refused(vm: &VirtualMachine, call: Call, source: &str) -> String {
    match call.parse(vm, source) {
        Ok(address) => panic!("{source} is {address:?}"),
        Err(error) => describe(vm, error.into()),
    }
}

/// Returns an exception as `Type: text`.
pub(crate) fn describe(vm: &VirtualMachine, error: PyObjectRef) -> String {
    let text = error.str(vm).unwrap();
    format!("{}: {}", error.class().name(), text.as_wtf8())
}

/// Returns the `repr()` of a value.
pub(crate) fn repr(vm: &VirtualMachine, value: PyObjectRef) -> String {
    value.repr(vm).unwrap().as_wtf8().to_string()
}

/// Returns the `repr()` of the address that has this encoding.
#[track_caller]
pub(crate) fn read(vm: &VirtualMachine, bytes: &[u8], protocol: i32) -> String {
    let address = SockAddr::from_bytes(bytes).unwrap();
    match to_python(vm, &address, protocol) {
        Ok(value) => repr(vm, value),
        Err(error) => describe(vm, error.into()),
    }
}

/// Asserts that an address is encoded as `bytes` and reads back as `repr`.
#[track_caller]
pub(crate) fn round_trip(vm: &VirtualMachine, call: Call, source: &str, bytes: &[u8], repr: &str) {
    let protocol = call.protocol;
    assert_eq!(encoded(vm, call, source), bytes, "{source}");
    assert_eq!(read(vm, bytes, protocol), repr, "{source}");
}
