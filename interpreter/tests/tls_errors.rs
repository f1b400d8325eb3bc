//! An error is injected (strace(1)) at the system calls of conversations over TLS: none
//! hangs, and none goes on with a byte lost or changed.

#[path = "../../tests/support/injected.rs"]
mod injected;
#[path = "../../tests/support/process.rs"]
mod process;

use nix::errno::Errno;
use std::process::Command;

const SCRIPT: &str = include_str!("tls_errors.py");

const CALLS: &[&str] = &[
    "poll",
    "ppoll",
    "recvfrom",
    "sendto",
    "rt_sigprocmask",
    "timer_settime",
    "tgkill",
];

const ERRORS: &[(&str, i32)] = &[
    ("EINTR", Errno::EINTR as i32),
    ("EAGAIN", Errno::EAGAIN as i32),
    ("ENOMEM", Errno::ENOMEM as i32),
    ("EMFILE", Errno::EMFILE as i32),
    ("ENFILE", Errno::ENFILE as i32),
];

#[test]
fn an_error_at_any_system_call_of_a_conversation() {
    if !process::can_trace("errors at system calls of TLS") {
        return;
    }
    let percent = std::env::var("SOCKET_TEST_EFFORT").unwrap_or_default();
    let is_whole = percent.parse().is_ok_and(|percent: u64| percent >= 100);
    let moments = &["5+7", "4+3", "3+13"];
    injected::run(CALLS, ERRORS, moments, is_whole, |call, errno| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interpreter"));
        let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../py_tests");
        command.args(["-c", SCRIPT, tests, call, &errno.to_string()]);
        command
    });
}
