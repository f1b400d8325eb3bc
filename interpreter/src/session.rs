//! One run from start to end: the order in which things happen.

use std::env;
use std::io::{self, IsTerminal};

use rustpython_vm::builtins::PyBaseExceptionRef;
use rustpython_vm::scope::Scope;
use rustpython_vm::{AsObject, PyResult, VirtualMachine};

use crate::options::{Options, Program};
use crate::{input, prompt, script};

/// Runs the program of `options`, then a prompt if one is wanted. The error is
/// the exception that ends the process.
pub fn run(vm: &VirtualMachine, options: &Options) -> PyResult<()> {
    let scope = vm.new_scope_with_main()?;
    prepare(vm)?;
    set_first_path(vm, options)?;

    if options.program == Program::StandardInput && is_interactive(vm) {
        prompt::greet(vm);
        prompt::run_startup_file(vm, options, &scope)?;
        prompt::run_hook(vm)?;
        return prompt::run(vm, options, scope);
    }
    let result = run_program(vm, options, scope.clone());
    // The program may have set PYTHONINSPECT itself, to be looked into.
    let inspect = vm.state.config.settings.inspect || options.variable("PYTHONINSPECT").is_some();
    if !(inspect && is_interactive(vm)) {
        return result;
    }
    if let Err(exception) = result {
        show(vm, &exception)?;
    }
    prompt::run_hook(vm)?;
    prompt::run(vm, options, scope)
}

/// Brings a new VM to where CPython is when it looks for its program.
fn prepare(vm: &VirtualMachine) -> PyResult<()> {
    let settings = &vm.state.config.settings;
    // Programs take these for the sign of a prompt; the prompt sets them anew.
    for name in ["ps1", "ps2"] {
        vm.sys_module
            .as_object()
            .del_attr(vm.ctx.intern_str(name), vm)?;
    }
    input::install(vm)?;
    // It reads sys.warnoptions, and is slow enough to be left out otherwise.
    if !settings.warnoptions.is_empty() {
        vm.import("warnings", 0)?;
    }
    if settings.import_site {
        vm.import("site", 0)?;
    }
    if settings.faulthandler {
        let faulthandler = vm.import("faulthandler", 0)?;
        vm.call_method(&faulthandler, "enable", ())?;
    }
    Ok(())
}

/// Inserts what goes before everything else in `sys.path`. A script does it for
/// itself, when it knows where it lies.
///
/// It comes after `site`, which makes every path absolute, and `''` is to
/// follow the working directory.
fn set_first_path(vm: &VirtualMachine, options: &Options) -> PyResult<()> {
    if vm.state.config.settings.safe_path {
        return Ok(());
    }
    match options.program {
        Program::File(_) => Ok(()),
        Program::Command(_) | Program::StandardInput => {
            vm.insert_sys_path(vm.ctx.new_str("").into())
        }
        Program::Module(_) => match env::current_dir() {
            Ok(directory) => vm.insert_sys_path(vm.fsdecode(directory).into()),
            Err(_) => Ok(()),
        },
    }
}

fn run_program(vm: &VirtualMachine, options: &Options, scope: Scope) -> PyResult<()> {
    match &options.program {
        Program::File(path) => script::run_file(vm, scope, path, options.skip_first_line),
        Program::Command(code) => script::run_command(vm, scope, code),
        Program::Module(name) => {
            vm.audit("cpython.run_module", || (name.clone(),))?;
            vm.run_module(name)
        }
        Program::StandardInput => script::run_standard_input(vm, scope),
    }
}

/// Tells whether someone can answer a prompt, or `-i` says so.
fn is_interactive(vm: &VirtualMachine) -> bool {
    vm.state.config.settings.interactive || io::stdin().is_terminal()
}

/// Prints the exception a program ended with and keeps it for `pdb.pm()`.
fn show(vm: &VirtualMachine, exception: &PyBaseExceptionRef) -> PyResult<()> {
    // A SystemExit without a traceback is this program's own: it has already
    // said what was wrong with the script.
    let raised = exception.__traceback__().is_some();
    if raised || !exception.fast_isinstance(vm.ctx.exceptions.system_exit) {
        let (class, value, traceback) = vm.split_exception(exception.clone());
        let sys = vm.sys_module.as_object();
        sys.set_attr("last_exc", value.clone(), vm)?;
        sys.set_attr("last_type", class, vm)?;
        sys.set_attr("last_value", value, vm)?;
        sys.set_attr("last_traceback", traceback, vm)?;
        vm.print_exception(exception);
    }
    Ok(())
}
