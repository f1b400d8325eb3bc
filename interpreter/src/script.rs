//! Programs that are not typed: a file, a directory, `-c`, standard input.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use rustpython_vm::builtins::{PyBytes, PyCode};
use rustpython_vm::scope::Scope;
use rustpython_vm::{AsObject, Py, PyObjectRef, PyRef, PyResult, TryFromObject, VirtualMachine};

use crate::usage::PROGRAM;

/// Exit status when the script cannot be read.
const CANNOT_OPEN: u8 = 2;

/// Runs the script at `path`, or the `__main__` inside the directory or zip
/// file at `path`.
pub fn run_file(
    vm: &VirtualMachine,
    scope: Scope,
    path: &str,
    skip_first_line: bool,
) -> PyResult<()> {
    let absolute = absolute(path);
    if is_importable(vm, &absolute)? {
        vm.insert_sys_path(vm.ctx.new_str(absolute).into())?;
        let runpy = vm.import("runpy", 0)?;
        vm.call_method(&runpy, "_run_module_as_main", ("__main__", false))?;
        return Ok(());
    }
    if !vm.state.config.settings.safe_path {
        vm.insert_sys_path(vm.fsdecode(directory_of(path)).into())?;
    }
    if let Err(error) = check_readable(&absolute) {
        return cannot_open(vm, &absolute, &error);
    }
    vm.audit("cpython.run_file", || (absolute.clone(),))?;
    if !skip_first_line {
        return vm.run_any_file(scope, &absolute);
    }
    match fs::read(&absolute) {
        Ok(source) => {
            let source = vm.ctx.new_bytes(without_first_line(source));
            run_source(vm, &scope, &source, &absolute)
        }
        Err(error) => cannot_open(vm, &absolute, &error),
    }
}

/// Runs the code of `-c`. All of it may be indented, for shell scripts that are.
pub fn run_command(vm: &VirtualMachine, scope: Scope, code: &str) -> PyResult<()> {
    vm.audit("cpython.run_command", || (code.to_owned(),))?;
    let first = code.lines().find(|line| !line.trim().is_empty());
    if first.is_some_and(|line| line.starts_with([' ', '\t'])) {
        let textwrap = vm.import("textwrap", 0)?;
        let dedented = vm.call_method(&textwrap, "dedent", (code.to_owned(),))?;
        let dedented = String::try_from_object(vm, dedented)?;
        vm.run_string(scope, &dedented, "<string>")?;
    } else {
        vm.run_string(scope, code, "<string>")?;
    }
    Ok(())
}

/// Reads all of standard input, then runs it.
pub fn run_standard_input(vm: &VirtualMachine, scope: Scope) -> PyResult<()> {
    vm.audit("cpython.run_stdin", || ())?;
    // Python's own stream reads it, so that Ctrl-C works and the script finds
    // the stream at its end.
    let stream = vm.sys_module.get_attr("stdin", vm)?;
    if vm.is_none(&stream) {
        return Ok(());
    }
    let buffer = stream.get_attr("buffer", vm)?;
    let source = vm.call_method(&buffer, "read", ())?;
    let source: PyRef<PyBytes> = source.try_downcast(vm)?;
    run_source(vm, &scope, &source, "<stdin>")
}

/// Runs `source` in the bytes it came in: the compiler knows about encodings.
fn run_source(
    vm: &VirtualMachine,
    scope: &Scope,
    source: &Py<PyBytes>,
    name: &str,
) -> PyResult<()> {
    let name = vm.ctx.new_str(name);
    let globals = &scope.globals;
    globals.set_item("__file__", name.clone().into(), vm)?;
    let compile = vm.builtins.get_attr("compile", vm)?;
    let result = compile
        .call((source.to_owned(), name, "exec"), vm)
        .and_then(|code| {
            let code = code.try_downcast::<PyCode>(vm)?;
            // For tracebacks; what cannot be shown is no reason not to run.
            let text = String::from_utf8_lossy(source.as_bytes());
            let _ = vm.register_code_in_linecache(&code, &text);
            vm.run_code_obj(code, scope.clone())
        });
    // A prompt that follows is not this file.
    if globals.contains_key("__file__", vm) {
        globals.del_item("__file__", vm)?;
    }
    result.map(drop)
}

/// Returns `source` with an empty first line, which keeps the numbers of the others.
fn without_first_line(mut source: Vec<u8>) -> Vec<u8> {
    let end = source.iter().position(|byte| *byte == b'\n');
    source.split_off(end.unwrap_or(source.len()))
}

/// Tells whether an importer takes `path` for a place with modules in it, as it does
/// a directory or a zip file.
fn is_importable(vm: &VirtualMachine, path: &str) -> PyResult<bool> {
    let hooks = vm.sys_module.get_attr("path_hooks", vm)?;
    for hook in Vec::<PyObjectRef>::try_from_object(vm, hooks)? {
        match hook.call((path.to_owned(),), vm) {
            Ok(_) => return Ok(true),
            Err(error) if error.fast_isinstance(vm.ctx.exceptions.import_error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Tells whether a script can be read. One that is no plain file is left untouched: a
/// pipe is only opened once.
fn check_readable(path: &str) -> io::Result<()> {
    if fs::metadata(path)?.is_file() {
        File::open(path)?;
    }
    Ok(())
}

fn cannot_open(vm: &VirtualMachine, path: &str, error: &io::Error) -> PyResult<()> {
    let errno = error.raw_os_error().unwrap_or_default();
    // Rust adds the number that stands in front here.
    let reason = error.to_string();
    let reason = reason.trim_end_matches(&format!(" (os error {errno})"));
    let path = vm.ctx.new_str(path).as_object().repr(vm)?;
    let program = env::args().next().unwrap_or_else(|| PROGRAM.to_owned());
    let _ = writeln!(
        io::stderr(),
        "{program}: can't open file {path}: [Errno {errno}] {reason}"
    );
    Err(vm.new_system_exit(vec![vm.ctx.new_int(CANNOT_OPEN).into()].into()))
}

/// Returns `path` from the root on, otherwise unchanged: what `__file__` is to be.
fn absolute(path: &str) -> String {
    let directory = env::current_dir()
        .ok()
        .and_then(|path| path.into_os_string().into_string().ok());
    match directory {
        _ if path.starts_with('/') => path.to_owned(),
        Some(directory) if matches!(path, "" | ".") => directory,
        Some(directory) => format!("{directory}/{path}"),
        None => path.to_owned(),
    }
}

/// Returns the folder of a script once links are followed, for `sys.path`.
fn directory_of(path: &str) -> PathBuf {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    path.parent().unwrap_or(&path).to_owned()
}
