//! Helpers for the tests of this layer: scripts with the whole module, on a VM without
//! a standard library.

use crate::{SocketModule, testing};
use rustpython_vm::Interpreter;

/// `raises(exception, text, call, *args)`: the call raises `exception`, with `text` unless
/// that is `None`.
const PRELUDE: &str = "
import socket
def raises(exception, text, call, *args, **named):
    try: result = call(*args, **named)
    except exception as error:
        assert text is None or str(error) == text, (str(error), text)
        return error
    raise AssertionError('%r returned %r' % (args, result))
";

/// Runs a script; an exception fails the test.
#[track_caller]
pub(crate) fn run(script: &str) {
    run_with(SocketModule::new(), script);
}

/// Runs a script with the settings of a host.
#[track_caller]
pub(crate) fn run_with(module: SocketModule, script: &str) {
    let builder = Interpreter::builder(Default::default());
    run_on(&module.register(builder).build(), script);
}

/// Runs a script on an interpreter that has the module.
#[track_caller]
pub(crate) fn run_on(interpreter: &Interpreter, script: &str) {
    interpreter.enter(|vm| testing::execute(vm, &format!("{PRELUDE}{script}")));
}
