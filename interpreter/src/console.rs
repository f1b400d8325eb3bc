//! The plain prompt, for terminals that cannot edit lines, and with PYTHON_BASIC_REPL: the
//! standard library's `code.InteractiveConsole` on lines read as they come.
//!
//! The terminal itself edits the line, and what is pasted arrives as if it were
//! typed, but for one thing: a blank line in the middle of a block.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustpython_vm::builtins::PyCode;
use rustpython_vm::function::FuncArgs;
use rustpython_vm::py_io::file_readline;
use rustpython_vm::scope::Scope;
use rustpython_vm::{AsObject, PyObjectRef, PyResult, TryFromObject, VirtualMachine};

/// Prompts until the input ends or the session is left.
pub fn run(vm: &VirtualMachine, scope: Scope) -> PyResult<()> {
    let code = vm.import("code", 0)?;
    let console = vm.call_method(&code, "InteractiveConsole", (scope.globals, "<stdin>"))?;
    let compile = console.get_attr("compile", vm)?;
    let reader = Reader::new(console.clone(), compile.clone());
    let raw_input = move |prompt: PyObjectRef, vm: &VirtualMachine| reader.next(&prompt, vm);
    console.set_attr("raw_input", vm.new_function("raw_input", raw_input), vm)?;
    let compile = remember_source(compile);
    console.set_attr("compile", vm.new_function("compile", compile), vm)?;
    let nothing = ("", ""); // neither a banner nor a farewell
    vm.call_method(&console, "interact", nothing).map(drop)
}

/// Wraps a compiler to keep the source of what it accepts, for the lines of a
/// traceback.
fn remember_source(compile: PyObjectRef) -> impl Fn(FuncArgs, &VirtualMachine) -> PyResult {
    move |arguments, vm| {
        let source = arguments.args.first().cloned();
        let code = compile.call(arguments, vm)?;
        if let (Some(source), Some(code)) = (source, code.downcast_ref::<PyCode>()) {
            // What cannot be shown later is no reason not to run now.
            let _ = vm.register_code_in_linecache(code, &source.str(vm)?.to_string_lossy());
        }
        Ok(code)
    }
}

/// Source of the console's lines.
struct Reader {
    /// It holds the lines of the statement that is not complete yet.
    console: PyObjectRef,
    compile: PyObjectRef,
    /// Lines read too early.
    ahead: Mutex<VecDeque<String>>,
}

impl Reader {
    fn new(console: PyObjectRef, compile: PyObjectRef) -> Self {
        Self {
            console,
            compile,
            ahead: Mutex::default(),
        }
    }

    /// Reads the next line, or several, for the console to add to what it has.
    fn next(&self, prompt: &PyObjectRef, vm: &VirtualMachine) -> PyResult<String> {
        let waiting = self.ahead().pop_front();
        let line = match waiting {
            Some(line) => line,
            None => {
                ask(prompt, vm)?;
                read_line(vm)?
            }
        };
        if !io::stdin().is_terminal() {
            return Ok(line);
        }
        let buffer = self.console.get_attr("buffer", vm)?;
        let block = Vec::<String>::try_from_object(vm, buffer)?.join("\n");
        if block.is_empty() {
            Ok(line)
        } else if line.is_empty() {
            self.read_past_blank_lines(vm)
        } else if self.ends_block(&block, &line, vm) {
            // As if the blank line had been there that ends a block.
            self.ahead().push_front(line);
            Ok(String::new())
        } else {
            Ok(line)
        }
    }

    /// Reads on at a blank line inside a statement, where a block ends if it was
    /// typed. It goes on if more lines have been pasted and they belong to it.
    fn read_past_blank_lines(&self, vm: &VirtualMachine) -> PyResult<String> {
        let mut lines = vec![String::new()];
        while is_input_waiting() {
            let line = match read_line(vm) {
                Ok(line) => line,
                Err(error) if error.fast_isinstance(vm.ctx.exceptions.eof_error) => break,
                Err(error) => return Err(error),
            };
            let goes_on = continues_block(&line);
            let is_blank = is_blank(&line);
            lines.push(line);
            if goes_on {
                return Ok(lines.join("\n"));
            }
            if !is_blank {
                break;
            }
        }
        self.ahead().extend(lines.drain(1..));
        Ok(String::new())
    }

    /// Tells whether `line` begins the next statement: `block` needs no more, and
    /// nobody has said so with a blank line.
    fn ends_block(&self, block: &str, line: &str, vm: &VirtualMachine) -> bool {
        let is_free = !line.starts_with([' ', '\t']) && !is_blank(line) && !continues_block(line);
        let compile = |source: String| self.compile.call((source, "<stdin>", "single"), vm);
        is_free && compile(format!("{block}\n")).is_ok_and(|code| !vm.is_none(&code))
    }

    fn ahead(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whether there is no code in a line.
fn is_blank(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// Tells whether a line of code can only belong to the block above it.
fn continues_block(line: &str) -> bool {
    let word = line
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next();
    line.starts_with([' ', '\t']) && !is_blank(line)
        || matches!(word, Some("elif" | "else" | "except" | "finally"))
}

/// Prints a prompt on standard error: what a program prints is often sent
/// elsewhere.
fn ask(prompt: &PyObjectRef, vm: &VirtualMachine) -> PyResult<()> {
    let stdout = vm.sys_module.get_attr("stdout", vm)?;
    let stderr = vm.sys_module.get_attr("stderr", vm)?;
    let _ = vm.call_method(&stdout, "flush", ());
    vm.call_method(&stderr, "write", (prompt.str(vm)?,))?;
    vm.call_method(&stderr, "flush", ()).map(drop)
}

fn read_line(vm: &VirtualMachine) -> PyResult<String> {
    let stdin = vm.sys_module.get_attr("stdin", vm)?;
    String::try_from_object(vm, file_readline(&stdin, None, vm)?)
}

/// Tells whether a line can be had without waiting: a terminal hands over one at a
/// time, so none hides in a buffer.
fn is_input_waiting() -> bool {
    let stdin = io::stdin();
    let mut ready = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    poll(&mut ready, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::continues_block;

    #[test]
    fn a_block_goes_on() {
        for line in ["  x", "\ty", "else:", "elif x:", "except* E:", "finally :"] {
            assert!(continues_block(line), "{line:?}");
        }
        for line in ["", "   ", "x", "elsewhere = 1", "# else", "  # x"] {
            assert!(!continues_block(line), "{line:?}");
        }
    }
}
