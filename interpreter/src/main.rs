//! A Python interpreter in one file: RustPython, its standard library, and the
//! `socket` module of this workspace.
//!
//! `rustpython::run` would be shorter, but it reads a piped script line by line
//! as if it were typed, has no line editor but its own, forgets the exception of
//! a script run with `-i`, and ignores `-S`, `-x` and several variables.

mod codeop;
mod console;
mod environment;
mod frozen;
mod input;
mod library;
mod network;
mod options;
mod prompt;
mod script;
mod session;
mod usage;

use std::io::{self, Write};
use std::process::ExitCode;

use rustpython::{InterpreterBuilder, InterpreterBuilderExt};

use crate::options::Request;

/// The status of a command line that cannot be understood.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    let options = match options::parse(std::env::args_os()) {
        Ok(Request::Run(options)) => options,
        Ok(Request::Print(text)) => {
            return match io::stdout().write_all(text.as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            };
        }
        Err(message) => {
            complain(&format!("{message}\n{}", usage::short()));
            return ExitCode::from(USAGE_ERROR);
        }
    };
    let settings = match environment::settings(&options, |name| std::env::var_os(name)) {
        Ok(settings) => settings,
        Err(message) => {
            complain(&format!("{}: {message}\n", usage::PROGRAM));
            return ExitCode::FAILURE;
        }
    };
    let module = match options.network.module() {
        Ok(module) => module,
        Err(message) => {
            complain(&format!("{}: {message}\n", usage::PROGRAM));
            return ExitCode::from(USAGE_ERROR);
        }
    };
    let builder = InterpreterBuilder::new().settings(settings).init_stdlib();
    let builder = library::CORRECTED.iter().fold(builder, |builder, module| {
        builder.add_frozen_modules(*module)
    });
    // Last, to take the place of the standard library's own.
    let builder = module.register(builder);
    let status = builder.build().run(|vm| session::run(vm, &options));
    // As on every Unix, a status is its lowest eight bits.
    ExitCode::from(status as u8)
}

/// Writes to standard error, if there still is one.
fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
