//! The built-in `input`.
//!
//! RustPython's own starts a new line editor at each call; what was typed or
//! pasted ahead is lost with the old one, and on a dumb terminal Ctrl-C is, too.

use rustpython_vm::function::{ItemDoc, OptionalArg, PyMethodFlags};
use rustpython_vm::py_io::file_readline;
use rustpython_vm::{AsObject, PyObjectRef, PyResult, VirtualMachine};

const DOC: &str = "\
input(prompt='', /)
--

Read a line from standard input, without its newline.

The prompt, if there is one, is written to standard output first.
At the end of the input EOFError is raised.";

/// Replaces `builtins.input`.
pub fn install(vm: &VirtualMachine) -> PyResult<()> {
    let definition = vm.ctx.new_method_def(
        "input",
        input,
        PyMethodFlags::empty(),
        ItemDoc::static_text(DOC),
    );
    let function = definition.build_function(vm, None);
    vm.builtins.as_object().set_attr("input", function, vm)
}

fn input(prompt: OptionalArg<PyObjectRef>, vm: &VirtualMachine) -> PyResult {
    let stdin = stream(vm, "stdin")?;
    let stdout = stream(vm, "stdout")?;
    let stderr = stream(vm, "stderr")?;
    let shown = prompt.clone().unwrap_or_else(|| vm.ctx.new_str("").into());
    vm.audit("builtins.input", || (shown,))?;
    // What does not reach the reader is no reason not to ask.
    let _ = vm.call_method(&stderr, "flush", ());
    if let OptionalArg::Present(prompt) = prompt {
        vm.call_method(&stdout, "write", (prompt.str(vm)?,))?;
    }
    let _ = vm.call_method(&stdout, "flush", ());
    let line = file_readline(&stdin, None, vm)?;
    vm.audit("builtins.input/result", || (line.clone(),))?;
    Ok(line)
}

/// Returns one of the standard streams, which a program may have taken away.
fn stream(vm: &VirtualMachine, name: &'static str) -> PyResult {
    let found = vm.sys_module.get_attr(name, vm).ok();
    found
        .filter(|stream| !vm.is_none(stream))
        .ok_or_else(|| vm.new_runtime_error(format!("input(): lost sys.{name}")))
}
