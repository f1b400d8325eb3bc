//! The cost of a policy, in ratios of times that are measured alternately in one process.
//!
//! Whatever else the machine does only adds to a time, so the shortest times are
//! compared, of the many that each script takes.

mod support;

use nix::libc;
use rustpython_socket::{Rules, SocketModule};
use std::net::Ipv4Addr;
use std::time::Duration;
use support::{Lean, text_of};

/// Pairs of interpreters of a measurement, and rounds of each.
const PAIRS: usize = 7;
const ROUNDS: usize = 250;

/// Returns the time for which this thread had a processor: others only take it away.
fn processor_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(done, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// An interpreter, and the shortest time that its `run(n)` took.
struct Measured {
    lean: Lean,
    shortest: Duration,
}

impl Measured {
    fn new(module: SocketModule, script: &str) -> Self {
        let lean = Lean::new(module);
        lean.run(&format!(
            "import builtins, socket\n{script}\nbuiltins.run = run"
        ));
        Self {
            lean,
            shortest: Duration::MAX,
        }
    }

    fn measure(&mut self, calls: usize) {
        let took = self.lean.interpreter.enter(|vm| {
            let run = vm.builtins.get_attr("run", vm).unwrap();
            let start = processor_time();
            if let Err(raised) = run.call((calls,), vm) {
                panic!("{}", text_of(vm, &raised));
            }
            processor_time() - start
        });
        self.shortest = self.shortest.min(took);
    }
}

/// Requires that the second script takes at most `most` times as long as the first. `make` makes
/// one of the two interpreters. A measurement that says something else is made twice again, and
/// two of three have to fit.
#[track_caller]
fn compare(what: &str, most: f64, calls: usize, make: impl Fn(usize) -> Measured) {
    let ratio = || {
        let ratio = measure(calls, &make);
        println!("{what}: {ratio:.3}");
        ratio
    };
    let first = ratio();
    if first <= most {
        return;
    }
    let again = [ratio(), ratio()];
    let fit = again.iter().all(|ratio| *ratio <= most);
    assert!(fit, "{what}: {first:.3} and {again:.3?}, not {most}");
}

/// Measures several pairs, each alternately and as often, and returns how many times as long as
/// the first the second takes: the median of the pairs, because where an interpreter's objects
/// lie in memory changes its times by some percent.
fn measure(calls: usize, make: impl Fn(usize) -> Measured) -> f64 {
    let mut kept = Vec::new();
    let mut ratios: Vec<_> = (0..PAIRS)
        .map(|pair| {
            let mut both = [0, 1].map(|place| make((place + pair) % 2));
            for _ in 0..ROUNDS {
                both.iter_mut().for_each(|one| one.measure(calls));
            }
            if pair % 2 == 1 {
                both.reverse();
            }
            let [first, second] = both.each_ref().map(|one| one.shortest.as_secs_f64());
            kept.push(both);
            second / first
        })
        .collect();
    println!("{ratios:.3?}");
    ratios.sort_by(f64::total_cmp);
    ratios[PAIRS / 2]
}

/// A policy is asked for what opens a way to the outside, not for what goes along it.
#[test]
fn a_policy_costs_nothing_in_send_and_recv() {
    for (what, script) in [
        (
            "send and recv under allow_all",
            "
a, b = socket.socketpair()
data = b'x' * 100
def run(n):
    for _ in range(n):
        a.send(data)
        b.recv(100)
",
        ),
        (
            "sendall and recv_into under allow_all",
            "
a, b = socket.socketpair()
data, buffer = b'x' * 10000, bytearray(10000)
def run(n):
    for _ in range(n):
        a.sendall(data)
        b.recv_into(buffer)
",
        ),
    ] {
        compare(what, 1.02, 200, |place| {
            let module = SocketModule::new();
            let module = if place == 0 {
                module
            } else {
                module.policy(Rules::allow_all())
            };
            Measured::new(module, script)
        });
    }
}

/// Rules for addresses and names, and one for the address that is used.
fn rules(count: u32) -> Rules {
    let rules = Rules::deny_all().allow("127.0.0.1").unwrap();
    (0..count / 2).fold(rules, |rules, n| {
        let ip = Ipv4Addr::from(n << 8);
        let rules = rules.allow(&format!("{ip}/{}", 24 + n % 9)).unwrap();
        rules.deny(&format!("*.zone{n}.example")).unwrap()
    })
}

/// A connect of datagrams is little more than the system call.
#[test]
fn many_rules_cost_a_connect_no_more_than_few() {
    let script = "
s, peer = socket.socket(2, 2), socket.socket(2, 2)
peer.bind(('127.0.0.1', 0))
address = peer.getsockname()
def run(n):
    for _ in range(n): s.connect(address)
";
    let what = "connect with 10,000 rules and with 10";
    compare(what, 2.0, 200, |place| {
        let rules = rules([10, 10_000][place]);
        let rules = rules.allow("bind=127.0.0.1").unwrap();
        Measured::new(SocketModule::new().policy(rules), script)
    });
}
