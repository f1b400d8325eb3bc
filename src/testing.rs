//! Python on a VM without a standard library, and the length of races, for tests: for those
//! of this crate's layers and, through `tests/support`, for those of its public API.
#![allow(dead_code, reason = "each test program uses a part of it")]

use rustpython_vm::builtins::{PyBaseExceptionRef, PyModuleDef};
use rustpython_vm::scope::Scope;
use rustpython_vm::{Context, Interpreter, VirtualMachine};

/// Makes an interpreter that has native modules beside the VM's own.
pub fn interpreter(modules: impl FnOnce(&Context) -> Vec<&'static PyModuleDef>) -> Interpreter {
    let builder = Interpreter::builder(Default::default());
    let modules = modules(&builder.ctx);
    builder.add_native_modules(&modules).build()
}

/// Runs `source` in a scope; an exception is the error, as text.
pub fn run_on(vm: &VirtualMachine, scope: &Scope, source: &str) -> Result<(), String> {
    match vm.run_string(scope.clone(), source, "<test>") {
        Ok(_) => Ok(()),
        Err(raised) => Err(text_of(vm, &raised)),
    }
}

/// Runs `source` in a scope of its own, once `prepare` has put names there; an exception
/// is the error, as text.
pub fn run_in(
    vm: &VirtualMachine,
    source: &str,
    prepare: impl FnOnce(&VirtualMachine, &Scope),
) -> Result<(), String> {
    let scope = vm.new_scope_with_builtins();
    prepare(vm, &scope);
    run_on(vm, &scope, source)
}

/// Runs `source` in a scope of its own; an exception fails the test.
#[track_caller]
pub fn execute(vm: &VirtualMachine, source: &str) {
    if let Err(text) = run_in(vm, source, |_, _| {}) {
        panic!("{text}");
    }
}

/// Returns an exception as Python would print it.
pub fn text_of(vm: &VirtualMachine, raised: &PyBaseExceptionRef) -> String {
    let mut text = String::new();
    let _ = vm.write_exception(&mut text, raised);
    text
}

/// Gives a script an integer.
pub fn set_int(vm: &VirtualMachine, scope: &Scope, name: &str, value: i64) {
    let value = vm.ctx.new_int(value).into();
    scope.globals.set_item(name, value, vm).unwrap();
}

/// Gives a script a str.
pub fn set_str(vm: &VirtualMachine, scope: &Scope, name: &str, value: &str) {
    let value = vm.ctx.new_str(value).into();
    scope.globals.set_item(name, value, vm).unwrap();
}

/// Returns how many rounds a race or a soak of `whole` rounds has here: the
/// percentage that SOCKET_TEST_EFFORT says, or a fifth.
pub fn rounds(whole: u64) -> u64 {
    let percent = match std::env::var("SOCKET_TEST_EFFORT") {
        Ok(percent) => percent.parse().expect("SOCKET_TEST_EFFORT is a number"),
        Err(_) => 20,
    };
    (whole * percent / 100).max(1)
}
