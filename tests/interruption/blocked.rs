//! A script that blocks again and again, on a thread of its own, and its host.

use crate::support::{WAITS, is_in_call, run_in, set_int, wait_until};
use nix::unistd::gettid;
use rustpython_socket::{Handle, ResolveError, Resolver, SocketModule};
use rustpython_vm::Interpreter;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// First lines of every script. `blocked(call)` is one round: the call has to
/// be ended by an interrupt, which `except Exception` must not catch.
const PRELUDE: &str = "
import socket
def blocked(call, kind=KeyboardInterrupt):
    begin()
    try:
        try: call()
        except Exception as e:
            if kind is KeyboardInterrupt: raise AssertionError('swallowed %r' % e)
            raise
    except kind as e:
        end()
        return e
    raise AssertionError('not interrupted')
def full(a):
    a.setblocking(False)
    try:
        while True: a.send(b'x' * 65536)
    except BlockingIOError: a.setblocking(True)
    return a
";

/// State that the two threads share.
#[derive(Default)]
pub struct Shared {
    /// Rounds that have begun, and ended.
    begun: AtomicU64,
    ended: AtomicU64,
    thread: AtomicU64,
    finished: AtomicBool,
    failure: Mutex<String>,
    /// True once every look-up is answered.
    released: Mutex<bool>,
    changed: Condvar,
    start: Mutex<Option<Instant>>,
    end: Mutex<Option<Instant>>,
}

/// A script that runs on another thread.
pub struct Blocked {
    pub handle: Handle,
    pub shared: Arc<Shared>,
    script: Option<JoinHandle<Result<(), String>>>,
}

impl Blocked {
    /// Runs `script`; it may use the descriptor `FILE` of a file.
    pub fn run(module: SocketModule, script: &str, file: i32) -> Self {
        let shared = Arc::new(Shared::default());
        let module = module.resolver(SlowNames(shared.clone()));
        let handle = module.handle();
        let source = format!("{PRELUDE}{script}");
        let for_script = shared.clone();
        let script = std::thread::spawn(move || {
            let shared = for_script;
            shared.thread.store(gettid().as_raw() as u64, SeqCst);
            let builder = Interpreter::builder(Default::default());
            let interpreter = module.register(builder).build();
            let result = interpreter.enter(|vm| {
                run_in(vm, &source, |vm, scope| {
                    set_int(vm, scope, "FILE", file.into());
                    let of = shared.clone();
                    let begin = move || {
                        of.begun.fetch_add(1, SeqCst);
                    };
                    let of = shared.clone();
                    let end = move || {
                        *of.end.lock().unwrap() = Some(Instant::now());
                        let _released = of.released.lock().unwrap();
                        of.ended.fetch_add(1, SeqCst);
                        of.changed.notify_all();
                    };
                    let begin = vm.new_function("begin", begin);
                    scope.globals.set_item("begin", begin.into(), vm).unwrap();
                    let end = vm.new_function("end", end);
                    scope.globals.set_item("end", end.into(), vm).unwrap();
                })
            });
            if let Err(text) = &result {
                shared.failure.lock().unwrap().push_str(text);
            }
            shared.finished.store(true, SeqCst);
            result
        });
        Self {
            handle,
            shared,
            script: Some(script),
        }
    }

    /// Waits until round `round` has begun and its call waits in the kernel.
    #[track_caller]
    pub fn wait_for(&self, round: u64) {
        wait_until("the script blocks", || {
            self.is_finished() || self.is_waiting(round)
        });
        if self.is_finished() {
            panic!("the script ended: {}", self.shared.failure.lock().unwrap());
        }
    }

    pub fn is_waiting(&self, round: u64) -> bool {
        self.shared.begun.load(SeqCst) == round && self.is_in_call()
    }

    pub fn has_begun(&self, round: u64) -> bool {
        self.shared.begun.load(SeqCst) >= round
    }

    /// True once the round is over.
    pub fn has_ended(&self, round: u64) -> bool {
        self.shared.ended.load(SeqCst) >= round
    }

    pub fn is_finished(&self) -> bool {
        self.shared.finished.load(SeqCst)
    }

    /// Tells whether the thread of the script is in a system call that waits.
    fn is_in_call(&self) -> bool {
        is_in_call(self.shared.thread.load(SeqCst), |number| {
            WAITS.contains(&number)
        })
    }

    /// Does `what`, which ends the round: how long that took.
    #[track_caller]
    pub fn end_with(&self, round: u64, what: impl FnOnce()) -> Duration {
        *self.shared.start.lock().unwrap() = Some(Instant::now());
        what();
        self.wait_end(round);
        let start = self.shared.start.lock().unwrap().unwrap();
        self.shared
            .end
            .lock()
            .unwrap()
            .unwrap()
            .duration_since(start)
    }

    #[track_caller]
    pub fn wait_end(&self, round: u64) {
        let start = Instant::now();
        while !self.has_ended(round) {
            if self.is_finished() && !self.has_ended(round) {
                panic!("the script ended: {}", self.shared.failure.lock().unwrap());
            }
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "round {round} was not ended"
            );
            std::hint::spin_loop();
            std::thread::yield_now();
        }
    }

    /// Waits for the script's end; an exception fails the test.
    #[track_caller]
    pub fn join(mut self) {
        *self.shared.released.lock().unwrap() = true;
        self.shared.changed.notify_all();
        let script = self.script.take().unwrap();
        if let Err(text) = script.join().unwrap() {
            panic!("{text}");
        }
    }
}

/// Answers when the round is over that it was asked in, or when it is told to.
struct SlowNames(Arc<Shared>);

impl Resolver for SlowNames {
    fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let shared = &*self.0;
        let round = shared.begun.load(SeqCst);
        let released = shared.released.lock().unwrap();
        let early = |released: &mut bool| !*released && shared.ended.load(SeqCst) < round;
        drop(shared.changed.wait_while(released, early));
        Ok(vec![[127, 0, 0, 1].into()])
    }
}
