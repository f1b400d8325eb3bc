//! RustPython with its own `socket` module: what the benchmark compares `interpreter` with.
//! Profile and features are those of `interpreter`.

use std::process::ExitCode;

use rustpython::{InterpreterBuilder, InterpreterBuilderExt};

fn main() -> ExitCode {
    rustpython::run(InterpreterBuilder::new().init_stdlib())
}
