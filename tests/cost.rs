//! The cost of a policy, in ratios of times that are measured alternately in one process.
//!
//! Whatever else the machine does only adds to a time, so the shortest times are
//! compared: they come closer to the cost itself with every round.

mod support;

use rustpython_socket::{Rules, SocketModule};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use support::{Lean, text_of};

/// Time after which a ratio that is still too high is the cost.
const LONGEST: Duration = Duration::from_secs(60);

/// Rounds that are made in any case.
const ROUNDS: usize = 100;

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
            let start = Instant::now();
            if let Err(raised) = run.call((calls,), vm) {
                panic!("{}", text_of(vm, &raised));
            }
            start.elapsed()
        });
        self.shortest = self.shortest.min(took);
    }
}

/// Measures both alternately until the second takes at most `most` times as long as the
/// first.
#[track_caller]
fn compare(what: &str, most: f64, calls: usize, mut both: [Measured; 2]) {
    let start = Instant::now();
    for round in 1.. {
        both.iter_mut().for_each(|one| one.measure(calls));
        let [first, second] = both.each_ref().map(|one| one.shortest.as_secs_f64());
        let ratio = second / first;
        if round >= ROUNDS && ratio <= most {
            println!("{what}: {ratio:.3} after {round} rounds");
            return;
        }
        assert!(start.elapsed() < LONGEST, "{what}: {ratio:.3}, not {most}");
    }
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
        let modules = [
            SocketModule::new(),
            SocketModule::new().policy(Rules::allow_all()),
        ];
        let both = modules.map(|module| Measured::new(module, script));
        compare(what, 1.02, 1000, both);
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
    let both = [10, 10_000].map(|count| {
        let rules = rules(count).allow("bind=127.0.0.1").unwrap();
        Measured::new(SocketModule::new().policy(rules), script)
    });
    compare("connect with 10,000 rules and with 10", 2.0, 1000, both);
}
