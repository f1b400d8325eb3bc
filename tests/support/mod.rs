//! An interpreter without a standard library, for tests.
#![allow(dead_code, reason = "each test binary uses a part of it")]

#[path = "../../src/testing.rs"]
mod python;

#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub use python::{execute, rounds, run_in, run_on, set_int, set_str, text_of};

use rustpython_socket::{Handle, SocketModule};
use rustpython_vm::scope::Scope;
use rustpython_vm::{Interpreter, VirtualMachine};
use std::io::Write;
use std::time::{Duration, Instant};

/// An interpreter and its host's handle.
pub struct Lean {
    pub interpreter: Interpreter,
    pub handle: Handle,
}

impl Lean {
    pub fn new(module: SocketModule) -> Self {
        let handle = module.handle();
        let builder = Interpreter::builder(Default::default());
        let interpreter = module.register(builder).build();
        Self {
            interpreter,
            handle,
        }
    }

    /// Runs `source`; an exception is the error, as text.
    pub fn try_run(
        &self,
        source: &str,
        prepare: impl FnOnce(&VirtualMachine, &Scope),
    ) -> Result<(), String> {
        self.interpreter.enter(|vm| run_in(vm, source, prepare))
    }

    /// Runs `source`; an exception fails the test.
    #[track_caller]
    pub fn run(&self, source: &str) {
        self.interpreter.enter(|vm| execute(vm, source));
    }
}

/// Waits for `done`, as long as a busy machine may need.
#[track_caller]
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Says that a test, or a part of it, was not run, and why. Unlike what `println!` writes,
/// this is not captured: scripts/gate.py shows and counts it.
pub fn skip(what: &str, why: &str) {
    let _ = std::io::stderr().write_all(format!("\nskipped: {what}: {why}\n").as_bytes());
}

/// The entries of a directory of /proc/self.
pub fn count_of(directory: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{directory}"))
        .unwrap()
        .count()
}

/// True in a process where the test `name` is the only one, and the harness has
/// no thread but the test's own: there descriptors and threads can be counted.
/// Elsewhere it runs that process, which has to succeed.
#[track_caller]
pub fn is_alone(name: &str) -> bool {
    const ALONE: &str = "RUSTPYTHON_SOCKET_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--test-threads=1", "--nocapture", "--exact", name])
        .env(ALONE, "")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("1 passed"), "{text}");
    false
}
