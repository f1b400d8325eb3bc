//! Scripts that try to reach what the host forbids: real listeners, held by the
//! tests, that must see nothing. Nine of ten attempts under `deny_all`, and five of six under
//! the other bases, have a control: the same call on an allowed target, which works. The others
//! have no such target, as an address that is none, or say themselves what must work.

mod support;

mod adversarial {
    pub mod bind;
    pub mod connect;
    pub mod datagram;
    pub mod descriptors;
    pub mod hosts;
    pub mod kinds;
    pub mod names;
    pub mod objects;
    pub mod row;
    pub mod run;
    pub mod spelling;
    pub mod trace;
    pub mod traps;
}

use adversarial::run::{Base, Suite};
use adversarial::traps::{Targets, Traps};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tells a child process which targets its parent holds.
const HELD: &str = "RUSTPYTHON_SOCKET_TEST_TARGETS";

/// Tells a child process to make the attempts alone, without their controls.
pub const ATTEMPTS: &str = "RUSTPYTHON_SOCKET_TEST_ATTEMPTS";

/// Numbers of attempts of each table under [`Base::Deny`] and under the other bases.
const LEAST: [[usize; 2]; 8] = [
    [41, 41],
    [110, 92],
    [21, 21],
    [32, 13],
    [53, 35],
    [58, 57],
    [204, 6],
    [39, 36],
];

/// Numbers of controls under the same.
const CONTROLS: [usize; 2] = [499, 247];

/// Descriptor numbers are a part of the tests, so that only one may open any.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The traps of this process, or those of the parent.
fn suite(base: Base) {
    let _alone = alone();
    let start = std::time::Instant::now();
    let held = std::env::var(HELD).ok();
    let traps = match held {
        Some(_) => None,
        None => Some(Traps::hold(&format!("{base:?}-forbidden"))),
    };
    let forbidden = match &traps {
        Some(traps) => traps.targets.clone(),
        None => Targets::from_text(&held.unwrap()),
    };
    let allowed = Traps::hold(&format!("{base:?}-allowed"));
    let suite = Suite::new(base, forbidden.clone(), allowed.targets.clone());
    let counts = suite.run(|| allowed.drain());
    let (attempts, controls) = (&counts.attempts, counts.controls);
    let took = start.elapsed();
    println!("attempts under {base:?}: {attempts:?}, {controls} controls in {took:?}");
    // Fewer means that rows were lost.
    for ((table, made), [deny, others]) in attempts.iter().zip(LEAST) {
        let least = if base == Base::Deny { deny } else { others };
        assert!(*made >= least, "{table}: {made}");
    }
    let least = match base {
        _ if std::env::var_os(ATTEMPTS).is_some() => 0,
        Base::Deny => CONTROLS[0],
        Base::Allow | Base::Loopback => CONTROLS[1],
    };
    assert!(controls >= least, "{controls} controls");
    if let Some(traps) = traps {
        assert_eq!(traps.arrivals(), [""; 0]);
    }
}

#[test]
fn nothing_but_the_listed_is_reached() {
    suite(Base::Deny);
}

#[test]
fn what_is_denied_is_not_reached() {
    suite(Base::Allow);
}

#[test]
fn what_is_denied_of_loopback_is_not_reached() {
    suite(Base::Loopback);
}

/// The listeners would tell: without a policy the same script reaches them.
#[test]
fn the_traps_work() {
    let _alone = alone();
    let traps = Traps::hold("working");
    let suite = Suite::new(Base::Deny, traps.targets.clone(), traps.targets.clone());
    suite.reach();
    let arrived = traps.arrivals();
    assert_eq!(arrived.len(), 8, "{arrived:?}");
}

/// No system call that strace(1) sees names a forbidden address.
#[test]
fn the_kernel_is_not_asked() {
    if std::env::var(HELD).is_ok() || !support::can_trace("what the kernel is asked") {
        return;
    }
    let _alone = alone();
    let traps = Traps::hold("traced");
    adversarial::trace::check(&traps.targets, HELD);
    adversarial::trace::check_options(&traps.targets, HELD, ATTEMPTS);
    assert_eq!(traps.arrivals(), [""; 0]);
}
