//! Checks which signal ends waits, and that every other one is left as it was. Each case is in a
//! process of its own, because the signal is chosen once for a process.

mod support;

use nix::errno::Errno;
use nix::libc;
use rustpython_socket::SocketModule;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use support::{Lean, is_alone};

/// Number of signals that the program's own handler has had.
static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// Installs the program's own handler, which interrupts system calls, like Python's.
fn handle(signal: libc::c_int) {
    // SAFETY: all zeros is a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = own_handler();
    // SAFETY: the handler does nothing but add to an atomic.
    assert_eq!(
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) },
        0
    );
}

fn own_handler() -> libc::sighandler_t {
    count as *const () as libc::sighandler_t
}

fn handler_of(signal: libc::c_int) -> libc::sighandler_t {
    // SAFETY: all zeros is a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes the action.
    assert_eq!(
        unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) },
        0
    );
    action.sa_sigaction
}

/// Returns the signals that have a handler.
fn handled() -> Vec<libc::c_int> {
    let can_be = (1..=libc::SIGRTMAX()).filter(|signal| !(32..libc::SIGRTMIN()).contains(signal));
    can_be
        .filter(|signal| handler_of(*signal) != libc::SIG_DFL)
        .collect()
}

/// Lets the host interrupt calls that wait in each way: for data, in accept(2), in a
/// connect and in a look-up.
fn interrupt_waits(module: SocketModule) {
    let lean = Lean::new(module);
    for call in [
        "one.recv(1)",
        "server.accept()",
        "client.connect(server.getsockname())",
    ] {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // The first ones may come before the call has begun.
                while !is_over.load(Ordering::Relaxed) {
                    lean.handle.interrupt();
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
            });
            let interrupted = lean.try_run(
                &format!(
                    "
import socket
one, other = socket.socketpair()
server = socket.create_server(('127.0.0.1', 0), backlog=0)
client = socket.socket()
if 'connect' in '{call}':
    # Until the backlog is full, and a connect waits.
    others = []
    while len(others) < 3:
        others.append(socket.socket())
        others[-1].setblocking(False)
        others[-1].connect_ex(server.getsockname())
{call}"
                ),
                |_, _| {},
            );
            is_over.store(true, Ordering::Relaxed);
            let text = interrupted.unwrap_err();
            assert!(text.contains("interrupted by the host"), "{call}: {text}");
        });
    }
}

#[test]
fn sigurg_unless_somebody_handles_it() {
    if !is_alone("sigurg_unless_somebody_handles_it") {
        return;
    }
    let before = handled();
    assert!(!before.contains(&libc::SIGURG));
    interrupt_waits(SocketModule::new());
    let new: Vec<_> = handled()
        .into_iter()
        .filter(|signal| !before.contains(signal))
        .collect();
    assert_eq!(new, [libc::SIGURG]);
}

#[test]
fn a_program_that_handles_sigurg_keeps_it() {
    if !is_alone("a_program_that_handles_sigurg_keeps_it") {
        return;
    }
    handle(libc::SIGURG);
    let before = handled();
    interrupt_waits(SocketModule::new());
    assert_eq!(handler_of(libc::SIGURG), own_handler());
    assert_eq!(HANDLED.load(Ordering::Relaxed), 0);
    let new: Vec<_> = handled()
        .into_iter()
        .filter(|signal| !before.contains(signal))
        .collect();
    // valgrind uses the last one.
    assert_eq!(new, [libc::SIGRTMAX() - 1]);
}

#[test]
fn a_handler_that_comes_later_ends_waits_too() {
    if !is_alone("a_handler_that_comes_later_ends_waits_too") {
        return;
    }
    interrupt_waits(SocketModule::new());
    handle(libc::SIGURG);
    interrupt_waits(SocketModule::new());
    assert_eq!(handler_of(libc::SIGURG), own_handler());
    assert!(HANDLED.load(Ordering::Relaxed) > 0);
    // Without a handler the signal would be ignored, so the module's comes back.
    // SAFETY: no handler is installed.
    unsafe { libc::signal(libc::SIGURG, libc::SIG_DFL) };
    interrupt_waits(SocketModule::new());
    assert_ne!(handler_of(libc::SIGURG), libc::SIG_DFL);
}

#[test]
fn the_host_chooses_once() {
    if !is_alone("the_host_chooses_once") {
        return;
    }
    let before = handled();
    let choose = |signal| SocketModule::new().wake_signal(signal);
    let refused = |signal| {
        let error = choose(signal).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::EINVAL as i32));
    };
    refused(1000);
    refused(libc::SIGKILL);
    interrupt_waits(choose(libc::SIGUSR2).unwrap());
    refused(libc::SIGURG);
    drop(choose(libc::SIGUSR2).unwrap());
    let new: Vec<_> = handled()
        .into_iter()
        .filter(|signal| !before.contains(signal))
        .collect();
    assert_eq!(new, [libc::SIGUSR2]);
}

#[test]
fn a_mask_is_left_as_it_was() {
    if !is_alone("a_mask_is_left_as_it_was") {
        return;
    }
    use nix::sys::signal::{SigSet, Signal};
    for blocked in [SigSet::empty(), SigSet::from(Signal::SIGURG), SigSet::all()] {
        blocked.thread_set_mask().unwrap();
        let before = SigSet::thread_get_mask().unwrap();
        interrupt_waits(SocketModule::new());
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
        SigSet::empty().thread_set_mask().unwrap();
    }
}
