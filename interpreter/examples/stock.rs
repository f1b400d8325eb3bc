//! RustPython with its own `socket` module: what the benchmark compares `interpreter` with.
//! Allocator, profile and features are those of `interpreter`.

use std::process::ExitCode;

use rustpython::{InterpreterBuilder, InterpreterBuilderExt};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    rustpython::run(InterpreterBuilder::new().init_stdlib())
}
