//! What belongs to one interpreter.

use crate::net::{Interrupter, Timeout};
use crate::policy::Gate;
use rustpython_vm::VirtualMachine;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The state of one interpreter and its subinterpreters. Scripts reach none of
/// it but the default timeout.
#[derive(Default)]
pub(crate) struct State {
    /// What its scripts may reach.
    pub(crate) gate: Gate,
    /// Wakes its waiting calls.
    pub(crate) interrupter: Arc<Interrupter>,
    default_timeout: DefaultTimeout,
}

struct DefaultTimeout(AtomicI64);

impl Default for DefaultTimeout {
    fn default() -> Self {
        Self(AtomicI64::new(Timeout::Never.as_nanos()))
    }
}

impl State {
    /// `socket.getdefaulttimeout()`.
    pub(crate) fn default_timeout(&self) -> Timeout {
        Timeout::from_nanos(self.default_timeout.0.load(Ordering::Relaxed))
    }

    /// `socket.setdefaulttimeout()`.
    pub(crate) fn set_default_timeout(&self, timeout: Timeout) {
        let nanos = timeout.as_nanos();
        self.default_timeout.0.store(nanos, Ordering::Relaxed);
    }
}

/// By the VM's `runtime_root_id`, which subinterpreters share with their parent.
static STATES: RwLock<Option<HashMap<i64, Arc<State>>>> = RwLock::new(None);

/// Gives an interpreter its state, before any script runs in it.
pub(crate) fn register(vm: &VirtualMachine, state: Arc<State>) {
    STATES
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_default()
        .insert(vm.state.runtime_root_id, state);
}

/// The state of the interpreter that `vm` runs.
///
/// A VM on which only the module definition was registered gets a default state.
pub(crate) fn of(vm: &VirtualMachine) -> Arc<State> {
    thread_local! {
        /// The last answer: a thread rarely runs more than one interpreter.
        static LAST: RefCell<Option<(i64, Arc<State>)>> = const { RefCell::new(None) };
    }
    let id = vm.state.runtime_root_id;
    LAST.with_borrow_mut(|last| match last {
        Some((key, state)) if *key == id => state.clone(),
        _ => last.insert((id, look_up(id))).1.clone(),
    })
}

fn look_up(id: i64) -> Arc<State> {
    let states = STATES.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(state) = states.as_ref().and_then(|states| states.get(&id)) {
        return state.clone();
    }
    drop(states);
    STATES
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_default()
        .entry(id)
        .or_default()
        .clone()
}
