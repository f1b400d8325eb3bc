//! An interpreter without a standard library, for tests.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod injected;
pub mod process;
#[path = "../../src/testing.rs"]
mod python;

#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub use process::{LONG, can_trace, output_within, skip};
#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub use python::{execute, rounds, run_in, run_on, set_int, set_str, text_of};

use nix::libc;
use rustpython_socket::{Handle, SocketModule};
use rustpython_vm::scope::Scope;
use rustpython_vm::{Interpreter, VirtualMachine};
use std::fs::File;
use std::io::{Seek, Write};
use std::sync::atomic::{AtomicU32, Ordering};
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

/// Returns a file without a name that has `content`, at its beginning.
pub fn file_of(content: &[u8]) -> File {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("socket-test-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(true);
    let mut file = options.open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

/// Tells whether a thread of this process is in a system call whose number is `chosen`.
pub fn is_in_call(thread: u64, chosen: impl Fn(libc::c_long) -> bool) -> bool {
    let call = std::fs::read_to_string(format!("/proc/self/task/{thread}/syscall"));
    let number = call
        .ok()
        .and_then(|call| call.split(' ').next()?.parse().ok());
    number.is_some_and(chosen)
}

/// The system calls in which a call of a script waits for a socket.
pub const WAITS: [libc::c_long; 8] = [
    libc::SYS_ppoll,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_sendfile,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
];

/// The entries of a directory of /proc/self.
pub fn count_of(directory: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{directory}"))
        .unwrap()
        .count()
}

/// Returns a time that a race takes only if it hangs: with whole counts some take minutes.
pub fn longest_race() -> Duration {
    LONG * rounds(10).max(2) as u32
}

/// True in a process where the test `name` is the only one, and the harness has
/// no thread but the test's own: there descriptors and threads can be counted.
/// Elsewhere it runs that process, which has to succeed, within a time that only a hang
/// outlasts.
#[track_caller]
pub fn is_alone(name: &str) -> bool {
    is_alone_within(name, longest_race())
}

/// Does the same for a test that may take as long as `limit`.
#[track_caller]
pub fn is_alone_within(name: &str, limit: Duration) -> bool {
    const ALONE: &str = "RUSTPYTHON_SOCKET_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--test-threads=1", "--nocapture", "--exact", name])
        .env(ALONE, "");
    let output = output_within(&mut command, limit);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("1 passed"), "{text}");
    false
}
