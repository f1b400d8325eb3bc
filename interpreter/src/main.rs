//! Runs Python scripts with the native `socket` module.

use rustpython::{InterpreterBuilder, InterpreterBuilderExt};
use rustpython_socket::SocketModule;

fn main() -> std::process::ExitCode {
    let builder = InterpreterBuilder::new().init_stdlib();
    rustpython::run(SocketModule::new().register(builder))
}
