//! Scripts that try to reach what the host forbids: real listeners, held by the
//! tests, that must see nothing. Beside each attempt the same call works on an
//! allowed target.

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
use adversarial::traps::{self, Targets, Traps};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tells a child process which targets its parent holds.
const HELD: &str = "RUSTPYTHON_SOCKET_TEST_TARGETS";

/// Tells a child process to make the attempts alone, without their controls.
pub const ATTEMPTS: &str = "RUSTPYTHON_SOCKET_TEST_ATTEMPTS";

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
    let attempts = suite.run(|| allowed.drain());
    println!(
        "{attempts} attempts under {base:?} in {:?}",
        start.elapsed()
    );
    assert!(attempts >= 80, "{attempts}");
    if let Some(traps) = traps {
        assert_eq!(traps.arrivals(), [""; 0]);
        traps::remove(&forbidden);
    }
    traps::remove(&allowed.targets);
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
    traps::remove(&traps.targets);
}

/// No system call that strace(1) sees names a forbidden address.
#[test]
fn the_kernel_is_not_asked() {
    if std::env::var(HELD).is_ok() {
        return;
    }
    let _alone = alone();
    let traps = Traps::hold("traced");
    adversarial::trace::check(&traps.targets, HELD);
    adversarial::trace::check_options(&traps.targets, HELD, ATTEMPTS);
    assert_eq!(traps.arrivals(), [""; 0]);
    traps::remove(&traps.targets);
}
