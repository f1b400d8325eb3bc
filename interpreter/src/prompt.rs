//! An interactive session: what comes before the first prompt, and which of the
//! two prompts it is.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use rustpython_vm::builtins::PyBaseExceptionRef;
use rustpython_vm::scope::Scope;
use rustpython_vm::{AsObject, PyObjectRef, PyResult, VirtualMachine};

use crate::options::Options;
use crate::{codeop, console, frozen, usage};

/// Prints the banner.
pub fn greet(vm: &VirtualMachine) {
    if !vm.state.config.settings.quiet {
        say(&format!(
            "{} on {}\nType \"help\", \"copyright\", \"credits\" or \"license\" for more information.",
            usage::full_version(),
            env::consts::OS,
        ));
    }
}

/// Runs the file that PYTHONSTARTUP names. A mistake in it is printed, and the
/// session goes on without the rest of it.
pub fn run_startup_file(vm: &VirtualMachine, options: &Options, scope: &Scope) -> PyResult<()> {
    let Some(path) = options.variable("PYTHONSTARTUP") else {
        return Ok(());
    };
    vm.audit("cpython.run_startup", || (path.clone(),))?;
    if !Path::new(&path).exists() {
        say(&format!("Could not open PYTHONSTARTUP: {path}"));
        return Ok(());
    }
    survive(vm, vm.run_any_file(scope.clone(), &path))
}

/// Calls `sys.__interactivehook__`, through which `site` sets up the history.
pub fn run_hook(vm: &VirtualMachine) -> PyResult<()> {
    let Ok(hook) = vm.sys_module.get_attr("__interactivehook__", vm) else {
        return Ok(());
    };
    vm.audit("cpython.run_interactivehook", || (hook.clone(),))?;
    let result = hook.call((), vm);
    if result.is_err() {
        say("Failed calling sys.__interactivehook__");
    }
    survive(vm, result.map(drop))
}

/// Prompts until the input ends or the session is left.
pub fn run(vm: &VirtualMachine, options: &Options, scope: Scope) -> PyResult<()> {
    codeop::complete(vm)?;
    frozen::list(vm)?;
    match line_editor(vm, options) {
        Some(interactive_console) => {
            let main = vm.import("__main__", 0)?;
            check_history(vm)?;
            interactive_console.call((main,), vm).map(drop)
        }
        None => console::run(vm, scope),
    }
}

/// Returns the prompt of the standard library's `_pyrepl`, unless it was declined or
/// there is no terminal that can do what it needs.
fn line_editor(vm: &VirtualMachine, options: &Options) -> Option<PyObjectRef> {
    if options.variable("PYTHON_BASIC_REPL").is_some()
        || !io::stdin().is_terminal()
        || !io::stdout().is_terminal()
    {
        return None;
    }
    let names = vm
        .ctx
        .new_tuple(vec![vm.ctx.new_str("interactive_console").into()]);
    let main = vm.import_from("_pyrepl.main", names, 0).ok()?;
    let usable = main.get_attr("CAN_USE_PYREPL", vm).ok()?;
    if usable.try_to_bool(vm).ok()? {
        return main.get_attr("interactive_console", vm).ok();
    }
    let reason = main.get_attr("FAIL_REASON", vm).ok()?.str(vm).ok()?;
    say(reason.as_ref());
    None
}

/// Says once that the history cannot be kept, where `_pyrepl` would say so
/// after every statement.
fn check_history(vm: &VirtualMachine) -> PyResult<()> {
    let site = vm.import("site", 0)?;
    let path = vm.call_method(&site, "gethistoryfile", ())?.str(vm)?;
    let path = path.to_string_lossy().into_owned();
    if let Err(error) = OpenOptions::new().append(true).create(true).open(&path) {
        say(&format!("warning: no history is kept in {path}: {error}"));
        let warnings = vm.import("warnings", 0)?;
        let filter = ("ignore", "failed to open the history file");
        vm.call_method(&warnings, "filterwarnings", filter)?;
    }
    Ok(())
}

/// Prints any exception but SystemExit, which is left to end the session.
fn survive(vm: &VirtualMachine, result: PyResult<()>) -> PyResult<()> {
    let leave =
        |exception: &PyBaseExceptionRef| exception.fast_isinstance(vm.ctx.exceptions.system_exit);
    match result {
        Err(exception) if !leave(&exception) => vm.print_exception(&exception),
        other => return other,
    }
    Ok(())
}

/// Writes a line to standard error, if there still is one.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
