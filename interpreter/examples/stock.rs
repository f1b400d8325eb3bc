//! RustPython with its own `socket` module: what the benchmark compares `interpreter` with.
//! Allocator, profile and features are those of `interpreter`.

use std::process::ExitCode;

use mimalloc as _;
use rustpython::{InterpreterBuilder, InterpreterBuilderExt};

fn main() -> ExitCode {
    rustpython::run(InterpreterBuilder::new().init_stdlib())
}
