//! The host ends calls that wait: each of them, at once, and none is missed.

mod support;

mod interruption {
    pub mod blocked;
    pub mod calls;
    pub mod control;
}

use interruption::blocked::Blocked;
use interruption::calls::CALLS;
use interruption::control::Control;
use rustpython_socket::{Handle, SocketId, SocketModule};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use support::{Lean, count_of, file_of, is_alone, rounds, wait_until};

/// Descriptors and threads are counted, and latencies measured.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file of a megabyte, to be sent.
fn file() -> std::fs::File {
    file_of(&vec![7; 1 << 20])
}

/// Time that an interrupt may take. It may be later one time in 1,000, and as often as the
/// machine wakes a thread later that nobody interrupts.
const LATEST: Duration = Duration::from_millis(50);

#[test]
fn every_blocked_call_is_ended_in_time() {
    let rounds = rounds(1000);
    let _alone = alone();
    if !is_alone("every_blocked_call_is_ended_in_time") {
        return;
    }
    let file = file();
    let (descriptors, threads) = (count_of("fd"), count_of("task"));
    let (mut all, mut late, mut late_controls) = (0, 0, 0);
    let control = Control::start();
    let mut worst = Duration::ZERO;
    for call in CALLS {
        let script = format!(
            "{}\nfor _ in range({rounds}): blocked(lambda: {})\n",
            call.setup, call.call
        );
        let blocked = Blocked::run(SocketModule::new(), &script, file.as_raw_fd());
        let mut slowest = Duration::ZERO;
        for round in 1..=rounds {
            blocked.wait_for(round);
            let took = blocked.end_with(round, || blocked.handle.interrupt());
            slowest = slowest.max(took);
            all += 1;
            late += u64::from(took > LATEST);
            late_controls += u64::from(control.round() > LATEST);
        }
        let handle = blocked.handle.clone();
        blocked.join();
        handle.close_all();
        println!("{}: at most {slowest:?}", call.name);
        worst = worst.max(slowest);
    }
    control.end();
    println!("{all} interrupts: at most {worst:?}, {late} later than {LATEST:?}");
    println!("{late_controls} as late without an interrupt");
    let allowed = all / 1000 + late_controls;
    assert!(late <= allowed, "{late} of {all} were late, not {allowed}");
    wait_until("no descriptor is left", || count_of("fd") <= descriptors);
    wait_until("no thread is left", || count_of("task") <= threads);
}

/// Interrupts that come when the call begins, waits, or ends by itself.
#[test]
fn no_wake_up_is_lost() {
    let rounds = rounds(10_000);
    let _alone = alone();
    let script = format!(
        "
a, b = socket.socketpair()
got = 0
for i in range({rounds}):
    begin()
    # Some interrupts come before the call.
    for _ in range(i % 89 * 100): pass
    try: got += len(a.recv(1))
    except KeyboardInterrupt: pass
    end()
    try: a.recv(64, socket.MSG_DONTWAIT)
    except BlockingIOError: pass
"
    );
    let (peers, peer) = std::sync::mpsc::channel();
    let module = SocketModule::new().on_event(move |event| {
        if let rustpython_socket::Event::Opened { id, .. } = event {
            let _ = peers.send(*id);
        }
    });
    let blocked = Blocked::run(module, &script, -1);
    let (_, id) = (peer.recv().unwrap(), peer.recv().unwrap());
    let mut peer = writer(&blocked.handle, id);
    let (mut first, mut second) = (0, 0);
    for round in 1..=rounds {
        let start = Instant::now();
        // Without a pause: the interrupt has to come around the beginning of the call.
        while !blocked.has_begun(round) && !blocked.is_finished() {
            assert!(start.elapsed() < Duration::from_secs(30), "a round begins");
            std::hint::spin_loop();
        }
        if round % 4 == 2 {
            // Ends the call's first wait, after which the next one begins.
            wait_until("it ends or waits", || {
                blocked.has_ended(round) || blocked.is_waiting(round)
            });
            blocked.handle.set_deadline(None);
        }
        // From before the call, or the second wait, to well within the wait.
        for _ in 0..round % 97 * 20 {
            std::hint::spin_loop();
        }
        if round % 6 == 0 {
            peer.write_all(b"x").unwrap();
        }
        blocked.handle.interrupt();
        if round % 6 == 1 {
            peer.write_all(b"x").unwrap();
        }
        // The interrupt ended it, or came before the call began: then the call
        // waits by now, or it will.
        wait_until("it ends or waits", || {
            blocked.has_ended(round) || blocked.is_waiting(round)
        });
        if blocked.has_ended(round) {
            first += u64::from(round % 6 > 1);
            continue;
        }
        // It may only have been on its way out.
        blocked.handle.interrupt();
        blocked.wait_end(round);
        second += 1;
    }
    blocked.join();
    println!("{first} rounds without a byte ended by the first interrupt, {second} by the second");
    // The rounds met what they are for: interrupts during the call and before it, which are
    // fewer where the two threads seldom run at the same time.
    assert!(first > rounds / 20 && second > rounds / 50);
}

/// A way to write to one end of a pair of the script's.
fn writer(handle: &Handle, id: SocketId) -> std::os::unix::net::UnixStream {
    let sockets = handle.sockets();
    let socket = sockets.iter().find(|socket| socket.id == id).unwrap();
    let path = format!("/proc/self/fd/{}", socket.fd);
    assert!(
        std::fs::read_link(path)
            .unwrap()
            .to_string_lossy()
            .starts_with("socket:")
    );
    // SAFETY: the script keeps its end open for as long as it runs.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(socket.fd) };
    borrowed.try_clone_to_owned().unwrap().into()
}

#[test]
fn the_host_chooses_the_exception() {
    let _alone = alone();
    let module = SocketModule::new().interrupt_with(|vm| vm.new_runtime_error("by the host"));
    let script = "
a, b = socket.socketpair()
for _ in range(10):
    e = blocked(lambda: a.recv(1), RuntimeError)
    assert e.args == ('by the host',), e
b.send(b'x')
assert a.recv(1) == b'x'
";
    let blocked = Blocked::run(module, script, -1);
    for round in 1..=10 {
        blocked.wait_for(round);
        blocked.end_with(round, || blocked.handle.interrupt());
    }
    blocked.join();
}

/// An interrupt concerns no call that begins later.
#[test]
fn later_calls_go_on() {
    let lean = Lean::new(SocketModule::new());
    lean.handle.interrupt();
    lean.run(
        "
import socket
a, b = socket.socketpair()
a.settimeout(0.01)
try: a.recv(1)
except TimeoutError: pass
else: assert False
b.send(b'x')
assert a.recv(1) == b'x'
",
    );
}

/// The rows of README's table that say no.
#[test]
fn what_waits_for_no_socket_goes_on() {
    let lean = Lean::new(SocketModule::new());
    lean.handle.set_deadline(Some(Instant::now()));
    lean.handle.interrupt();
    lean.run(
        "
import socket, time
a, b = socket.socketpair()
begin = time.monotonic()
time.sleep(0.05)
assert time.monotonic() - begin >= 0.05
while time.monotonic() - begin < 0.1: pass
try: a.recv(1)
except KeyboardInterrupt: pass
else: assert False
",
    );
}

#[test]
fn a_deadline_ends_calls_by_itself() {
    let _alone = alone();
    let script = "
a, b = socket.socketpair()
blocked(lambda: a.recv(1))
# What need not wait goes on, what comes to wait does not.
b.send(b'x')
assert a.recv(1) == b'x'
blocked(lambda: a.recv(1))
blocked(lambda: socket.getaddrinfo('slow.test', 80))
blocked(lambda: a.recv(1))
";
    let blocked = Blocked::run(SocketModule::new(), script, -1);
    let wait = Duration::from_millis(50);
    blocked.wait_for(1);
    let took = blocked.end_with(1, || {
        blocked.handle.set_deadline(Some(Instant::now() + wait))
    });
    assert!(took >= wait, "{took:?}");
    blocked.wait_end(3);
    // Taken back too late for the fourth round, perhaps: then that waits.
    blocked.handle.set_deadline(None);
    wait_until("the last round", || {
        blocked.has_ended(4) || blocked.is_waiting(4)
    });
    if !blocked.has_ended(4) {
        blocked.end_with(4, || blocked.handle.interrupt());
    }
    blocked.join();
}

#[test]
fn a_deadline_can_be_taken_back() {
    let _alone = alone();
    let script = "
a, b = socket.socketpair()
blocked(lambda: a.recv(1))
";
    let blocked = Blocked::run(SocketModule::new(), script, -1);
    blocked.wait_for(1);
    let soon = Duration::from_millis(100);
    blocked.handle.set_deadline(Some(Instant::now() + soon));
    blocked.handle.set_deadline(None);
    std::thread::sleep(soon * 2);
    assert!(!blocked.has_ended(1));
    blocked.end_with(1, || blocked.handle.interrupt());
    blocked.join();
}

#[test]
fn no_call_waits_longer_than_the_host_says() {
    let _alone = alone();
    let longest = Duration::from_millis(20);
    for call in CALLS {
        let script = format!(
            "{}
begin()
try: {}
except TimeoutError as e: assert str(e) == 'timed out', e
else: raise AssertionError('no timeout')
end()
",
            call.setup, call.call
        );
        let file = file();
        let blocked = Blocked::run(
            SocketModule::new().max_wait(longest),
            &script,
            file.as_raw_fd(),
        );
        wait_until(call.name, || blocked.is_finished());
        println!("{}", call.name);
        blocked.join();
    }
}

#[test]
fn stop_is_for_good() {
    let _alone = alone();
    if !is_alone("stop_is_for_good") {
        return;
    }
    let (descriptors, threads) = (count_of("fd"), count_of("task"));
    for _ in 0..50 {
        let script = "
a, b = socket.socketpair()
blocked(lambda: a.recv(1))
# The interrupt comes first, so that a script sees no closed socket before it.
while a.fileno() != -1 or b.fileno() != -1: pass
for call in (lambda: a.recv(1), lambda: a.send(b'x'), lambda: b.recv(1), a.getsockname):
    try: call()
    except OSError as e: assert e.errno == 9, e
    else: assert False
for call in (socket.socket, socket.socketpair, lambda: socket.create_connection(('127.0.0.1', 9))):
    try: call()
    except OSError as e: assert e.errno == 24, e
    else: assert False
blocked(lambda: socket.getaddrinfo('slow.test', 80))
";
        let blocked = Blocked::run(SocketModule::new(), script, -1);
        blocked.wait_for(1);
        blocked.end_with(1, || blocked.handle.stop());
        let handle = blocked.handle.clone();
        wait_until("the script ends", || blocked.is_finished());
        blocked.join();
        assert_eq!(handle.counters().open, 0);
        assert!(handle.sockets().is_empty());
    }
    wait_until("no descriptor is left", || count_of("fd") <= descriptors);
    wait_until("no thread is left", || count_of("task") <= threads);
}

#[test]
fn close_all_ends_calls_with_ebadf() {
    let _alone = alone();
    if !is_alone("close_all_ends_calls_with_ebadf") {
        return;
    }
    let file = file();
    let (descriptors, threads) = (count_of("fd"), count_of("task"));
    for call in CALLS {
        // A look-up has no socket.
        if call.call.contains("slow.test") {
            continue;
        }
        let script = format!(
            "{}
begin()
try: {}
except OSError as e: assert e.errno == 9, e
else: raise AssertionError('not closed')
end()
",
            call.setup, call.call
        );
        let blocked = Blocked::run(SocketModule::new(), &script, file.as_raw_fd());
        blocked.wait_for(1);
        blocked.end_with(1, || blocked.handle.close_all());
        assert_eq!(blocked.handle.counters().open, 0, "{}", call.name);
        blocked.join();
    }
    wait_until("no descriptor is left", || count_of("fd") <= descriptors);
    wait_until("no thread is left", || count_of("task") <= threads);
}

/// All the threads of an interpreter at once.
#[cfg(feature = "threading")]
#[test]
fn every_thread_is_ended() {
    use support::run_in;

    const THREADS: usize = 8;
    let _alone = alone();
    if !is_alone("every_thread_is_ended") {
        return;
    }
    let (descriptors, threads) = (count_of("fd"), count_of("task"));
    for round in 0..40 {
        let lean = Lean::new(SocketModule::new());
        let (began, begun) = std::sync::mpsc::channel();
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                let began = began.clone();
                let vm = lean.interpreter.new_thread();
                std::thread::spawn(move || {
                    vm.run(|vm| {
                        let script = "
import socket
a, b = socket.socketpair()
begin()
try: a.recv(1)
except KeyboardInterrupt: pass
except OSError as e: assert e.errno == 9, e
else: assert False
";
                        run_in(vm, script, |vm, scope| {
                            let began = Mutex::new(Some(began));
                            let begin = move || {
                                let began = began.lock().unwrap().take();
                                let _ = began.map(|began| began.send(()));
                            };
                            let begin = vm.new_function("begin", begin);
                            scope.globals.set_item("begin", begin.into(), vm).unwrap();
                        })
                    })
                })
            })
            .collect();
        for _ in 0..THREADS {
            begun.recv().unwrap();
        }
        match round % 3 {
            0 => lean.handle.close_all(),
            1 => lean.handle.stop(),
            _ => {}
        }
        // Those that had not begun yet are not concerned by an interrupt.
        wait_until("all threads end", || {
            if round % 3 == 2 {
                lean.handle.interrupt();
            }
            workers.iter().all(|worker| worker.is_finished())
        });
        for worker in workers {
            worker.join().unwrap().unwrap();
        }
        lean.handle.close_all();
        assert_eq!(lean.handle.counters().open, 0);
    }
    wait_until("no descriptor is left", || count_of("fd") <= descriptors);
    wait_until("no thread is left", || count_of("task") <= threads);
}
