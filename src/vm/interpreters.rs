//! The table of interpreters: finds the [`State`] of the module for each.
//!
//! **What RustPython 0.6 lacks:** a place for the state of a native module in an
//! interpreter (`PyModule_GetState`). This file finds the state by the public numbers
//! of the interpreter and its root in `PyGlobalState` (rustpython-vm
//! `src/vm/mod.rs:806`). It learns that an interpreter has ended from an object in a
//! list of functions that the VM drops with the interpreter (`:835`). **To delete this
//! file:** keep [`State`] in the module, and ask the VM for it. **Tests:**
//! `a_state_goes_with_its_interpreter` in this file; `tests/isolation.rs`.

use crate::net::Control;
use crate::state::{Runtime, State};
use crate::sys::fork::Inherited;
use rustpython_vm::class::PyClassImpl;
use rustpython_vm::common::static_cell;
use rustpython_vm::function::FuncArgs;
use rustpython_vm::types::Callable;
use rustpython_vm::{Py, PyPayload, PyResult, VirtualMachine, pyclass, runtime};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ptr;
use std::sync::{Arc, Weak};

/// Shared by the interpreters of one root. When the last of them drops it, all sockets
/// and descriptors of their scripts are closed.
#[derive(Debug)]
struct Tenancy {
    control: Arc<Control>,
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        self.control.stop();
    }
}

/// An object that an interpreter keeps as long as it lives. It is in the list of
/// functions to call in a child after fork(2), where scripts cannot reach it.
#[pyclass(module = false, name = "socket_keeper")]
#[derive(Debug, PyPayload)]
struct Keeper {
    root: i64,
    interpreter: i64,
    #[expect(dead_code, reason = "dropping it is its purpose")]
    tenancy: Arc<Tenancy>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let mut runtimes = RUNTIMES.get_or_init(Default::default).lock();
        let entry = runtimes.get_mut(&self.root);
        let state = entry.and_then(|entry| entry.states.remove(&self.interpreter));
        drop(runtimes);
        // This may be the last owner of values that the host gave.
        drop(state);
    }
}

#[pyclass(with(Callable), flags(DISALLOW_INSTANTIATION))]
impl Keeper {}

impl Callable for Keeper {
    type Args = FuncArgs;

    fn call(_zelf: &Py<Self>, _args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        Ok(vm.ctx.none())
    }
}

/// Makes the interpreter of `vm` keep the descriptors of its root open, and its own
/// state.
fn keep(tenancy: Arc<Tenancy>, vm: &VirtualMachine) {
    let _ = Keeper::make_static_type();
    let keeper = Keeper {
        root: vm.state.runtime_root_id,
        interpreter: vm.state.interpreter_id,
        tenancy,
    };
    let keeper = keeper.into_ref(&vm.ctx);
    vm.state.after_forkers_child.lock().push(keeper.into());
}

/// State of all interpreters with one `runtime_root_id`, which subinterpreters share with
/// their parent.
struct Entry {
    runtime: Arc<Runtime>,
    /// The states by `interpreter_id`.
    states: BTreeMap<i64, Arc<State>>,
    tenancy: Weak<Tenancy>,
}

static_cell! {
    /// A VM without threads numbers its interpreters on each thread anew; this table is
    /// then one for each thread, too.
    static RUNTIMES: Inherited<BTreeMap<i64, Entry>>;
    /// The address of the definition of `socket` that [`register`] found. Subinterpreters
    /// inherit their parent's definitions, so an interpreter that has this one was
    /// registered itself or through its root.
    static REGISTERED: Inherited<BTreeSet<usize>>;
}

fn definition(vm: &VirtualMachine) -> Option<usize> {
    let definition = vm.state.module_defs.get("socket")?;
    Some(ptr::from_ref(*definition).addr())
}

/// Registers the host's decisions for an interpreter, before any script runs in it.
pub(crate) fn register(vm: &VirtualMachine, runtime: Arc<Runtime>) {
    let registered = REGISTERED.get_or_init(Default::default);
    registered.lock().extend(definition(vm));
    let live = live_roots();
    let mut runtimes = RUNTIMES.get_or_init(Default::default).lock();
    let (entry, tenancy) = Entry::new(runtime);
    let ended: Vec<Entry> = runtimes
        .extract_if(.., |root, entry| {
            entry.tenancy.strong_count() == 0 && !live.contains(root)
        })
        .map(|(_, entry)| entry)
        .collect();
    let replaced = runtimes.insert(vm.state.runtime_root_id, entry);
    drop(runtimes);
    keep(tenancy, vm);
    // They are dropped without the lock, because values of the host may have a Drop of
    // their own.
    drop((ended, replaced));
}

impl Entry {
    /// Makes an entry, and the object that an interpreter has to keep for it.
    fn new(runtime: Arc<Runtime>) -> (Self, Arc<Tenancy>) {
        let control = runtime.control.clone();
        let tenancy = Arc::new(Tenancy { control });
        let entry = Self {
            runtime,
            states: BTreeMap::new(),
            tenancy: Arc::downgrade(&tenancy),
        };
        (entry, tenancy)
    }
}

/// Returns the roots of all existing interpreters.
fn live_roots() -> BTreeSet<i64> {
    let all = runtime::list_interpreters().into_iter();
    all.filter_map(|info| runtime::lookup_interpreter(info.id))
        .map(|state| state.runtime_root_id)
        .collect()
}

/// Returns the state of the interpreter that `vm` runs.
///
/// A VM that was never registered has a state that permits everything. If its root was
/// registered and has no entry any more, the state refuses everything.
pub(crate) fn of(vm: &VirtualMachine) -> Arc<State> {
    thread_local! {
        /// The last answer: a thread rarely runs more than one interpreter.
        static LAST: RefCell<Option<(i64, Weak<State>)>> = const { RefCell::new(None) };
    }
    let id = vm.state.interpreter_id;
    // A thread that is ending may run finalizers when its answer has been dropped.
    let last = LAST.try_with(|last| match &*last.borrow() {
        Some((key, state)) if *key == id => state.upgrade(),
        _ => None,
    });
    last.ok().flatten().unwrap_or_else(|| {
        let state = look_up(vm);
        let answer = Some((id, Arc::downgrade(&state)));
        let _ = LAST.try_with(|last| last.replace(answer));
        state
    })
}

fn look_up(vm: &VirtualMachine) -> Arc<State> {
    let id = vm.state.interpreter_id;
    let registered = REGISTERED.get_or_init(Default::default);
    let was_registered =
        definition(vm).is_some_and(|definition| registered.lock().contains(&definition));
    let mut runtimes = RUNTIMES.get_or_init(Default::default).lock();
    let mut new = None;
    let entry = runtimes.entry(vm.state.runtime_root_id).or_insert_with(|| {
        let runtime = if was_registered {
            Runtime::refusing()
        } else {
            Runtime::default()
        };
        let (entry, tenancy) = Entry::new(Arc::new(runtime));
        new = Some(tenancy);
        entry
    });
    if let Some(state) = entry.states.get(&id) {
        return state.clone();
    }
    // It holds `Weak<Enums>`, whose objects are of one thread if the VM has no threads.
    #[allow(clippy::arc_with_non_send_sync)]
    let state = Arc::new(State::new(entry.runtime.clone()));
    entry.states.insert(id, state.clone());
    // The root keeps the object that it got when it was registered.
    let tenancy = match new {
        None if id != vm.state.runtime_root_id => entry.tenancy.upgrade(),
        new => new,
    };
    drop(runtimes);
    if let Some(tenancy) = tenancy {
        keep(tenancy, vm);
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SocketModule;
    use crate::policy::{Denied, Gate, Operation, Policy, Target};
    use rustpython_vm::Interpreter;
    use std::time::{Duration, Instant};

    fn interpreter(module: SocketModule) -> Interpreter {
        module
            .register(Interpreter::builder(Default::default()))
            .build()
    }

    /// Counts the interpreters of this root that have a state.
    fn states(root: i64) -> usize {
        let runtimes = RUNTIMES.get_or_init(Default::default).lock();
        runtimes.get(&root).map_or(0, |entry| entry.states.len())
    }

    /// Waits until so many have a state. Another test's thread may look at the interpreter
    /// while that ends, and then is the last to let go of it.
    #[track_caller]
    fn wait_for_states(root: i64, expected: usize) {
        let start = Instant::now();
        while states(root) != expected {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "{}",
                states(root)
            );
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_state_goes_with_its_interpreter() {
        let root = interpreter(SocketModule::new());
        let id = root.enter(|vm| {
            of(vm);
            vm.state.runtime_root_id
        });
        for _ in 0..3 {
            let child = root.create_subinterpreter();
            child.enter(|vm| drop(of(vm)));
            assert_eq!(states(id), 2);
            child.finalize(None);
            wait_for_states(id, 1);
        }
        root.finalize(None);
        wait_for_states(id, 0);
    }

    /// A policy whose destructor needs the table of runtimes.
    struct NeedsTheTable;

    impl Policy for NeedsTheTable {
        fn check(&self, _: Operation, _: &Target<'_>) -> Result<(), Denied> {
            Ok(())
        }
    }

    impl Drop for NeedsTheTable {
        fn drop(&mut self) {
            drop(RUNTIMES.get_or_init(Default::default).lock());
        }
    }

    #[test]
    fn what_the_host_gave_is_dropped_without_a_lock() {
        let runtime = || {
            Arc::new(Runtime {
                gate: Gate::new(Some(Arc::new(NeedsTheTable))),
                ..Runtime::default()
            })
        };
        let interpreter = interpreter(SocketModule::new());
        interpreter.enter(|vm| {
            register(vm, runtime());
            of(vm);
            // This replaces and drops the entry before.
            register(vm, runtime());
            of(vm);
        });
        interpreter.finalize(None);
        // Registering another interpreter drops the entries of interpreters that have
        // ended.
        self::interpreter(SocketModule::new()).enter(|vm| drop(of(vm)));
    }

    #[test]
    fn without_an_entry_an_interpreter_is_refused_everything() {
        let refuses = |interpreter: &Interpreter| {
            interpreter.enter(|vm| {
                let mut runtimes = RUNTIMES.get_or_init(Default::default).lock();
                let entry = runtimes.remove(&vm.state.runtime_root_id);
                drop(runtimes);
                drop(entry);
                let target = Target::socket(2, 1, 0);
                let gate = &of(vm).runtime.gate;
                gate.check(Operation::CreateSocket, &target).is_err()
            })
        };
        let registered = interpreter(SocketModule::new());
        // Another host has another module of this name.
        let other = crate::constants::testing::interpreter();
        other.enter(|vm| register(vm, Arc::default()));
        assert!(refuses(&registered) && refuses(&other));
        assert!(!refuses(&Interpreter::builder(Default::default()).build()));
    }
}
