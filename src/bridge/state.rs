//! What belongs to one interpreter.

use crate::net::{Control, Limit, Timeout};
use crate::policy::Gate;
use parking_lot::Mutex;
use rustpython_vm::VirtualMachine;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyModuleDef};
use rustpython_vm::common::lock::PyRwLock;
use rustpython_vm::common::rc::PyRc;
use rustpython_vm::common::static_cell;
use rustpython_vm::vm::PyGlobalState;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Weak};

/// What a host gave a top-level interpreter, and its subinterpreters share.
/// Scripts reach none of it.
#[derive(Default)]
pub(crate) struct Runtime {
    /// What the scripts may reach.
    pub(crate) gate: Gate,
    /// Ends calls that wait, limits and counts.
    pub(crate) control: Arc<Control>,
    /// What an interrupted call raises, if not KeyboardInterrupt.
    pub(crate) interruption: Option<Box<Interruption>>,
    /// The `_ssl` that the interpreter came with.
    pub(crate) tls: Option<&'static PyModuleDef>,
}

/// Makes the exception of an interrupted call.
pub(crate) type Interruption = dyn Fn(&VirtualMachine) -> PyBaseExceptionRef + Send + Sync;

impl Runtime {
    /// Whether so many more descriptors of sockets may be opened. Those that a
    /// script took out of its sockets count as well.
    pub(crate) fn may_open(&self, more: usize) -> Result<(), Limit> {
        if self.control.are_sockets_limited() {
            self.control.may_open(more + self.gate.own())?;
        }
        Ok(())
    }
}

/// The state of one interpreter.
#[derive(Default)]
pub(crate) struct State {
    /// What the host decided.
    pub(crate) runtime: Arc<Runtime>,
    /// The version of the class `socket.socket` as long as no script changed it.
    pub(crate) plain: AtomicU32,
    /// Whether the classes of `io` have been told of SocketIO.
    pub(crate) io_told: AtomicBool,
    /// Held while names go into a module that starts without them.
    pub(crate) storing: Mutex<()>,
    default_timeout: DefaultTimeout,
}

struct DefaultTimeout(AtomicI64);

impl Default for DefaultTimeout {
    fn default() -> Self {
        Self(AtomicI64::new(Timeout::Never.as_nanos()))
    }
}

impl State {
    pub(crate) fn new(runtime: Arc<Runtime>) -> Self {
        Self {
            runtime,
            ..Self::default()
        }
    }

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

type Global = PyRc<PyGlobalState>;

/// A `PyRc`, which is an `Arc` or an `Rc` as the VM has threads or not.
trait Counted {
    type Weak;
    fn weak(&self) -> Self::Weak;
    fn is_alive(weak: &Self::Weak) -> bool;
}

impl<T> Counted for Arc<T> {
    type Weak = Weak<T>;

    fn weak(&self) -> Weak<T> {
        Self::downgrade(self)
    }

    fn is_alive(weak: &Weak<T>) -> bool {
        weak.strong_count() > 0
    }
}

impl<T> Counted for rc::Rc<T> {
    type Weak = rc::Weak<T>;

    fn weak(&self) -> rc::Weak<T> {
        Self::downgrade(self)
    }

    fn is_alive(weak: &rc::Weak<T>) -> bool {
        weak.strong_count() > 0
    }
}

/// What there is for one `runtime_root_id`, which subinterpreters share with
/// their parent.
struct Entry {
    runtime: Arc<Runtime>,
    /// By `interpreter_id`.
    states: BTreeMap<i64, Arc<State>>,
    /// Gone when the interpreter is.
    alive: <Global as Counted>::Weak,
}

static_cell! {
    /// A VM without threads numbers its interpreters on each thread anew: then
    /// this table, too, is one for each thread.
    static RUNTIMES: PyRwLock<BTreeMap<i64, Entry>>;
}

/// Gives an interpreter what its host decided, before any script runs in it.
pub(crate) fn register(vm: &VirtualMachine, runtime: Arc<Runtime>) {
    let mut runtimes = RUNTIMES.get_or_init(Default::default).write();
    runtimes.retain(|_, entry| Global::is_alive(&entry.alive));
    let entry = Entry {
        runtime,
        states: BTreeMap::new(),
        alive: vm.state.weak(),
    };
    runtimes.insert(vm.state.runtime_root_id, entry);
}

/// The state of the interpreter that `vm` runs.
///
/// A VM on which only the module definition was registered gets a default state.
pub(crate) fn of(vm: &VirtualMachine) -> Arc<State> {
    thread_local! {
        /// The last answer: a thread rarely runs more than one interpreter.
        static LAST: RefCell<Option<(i64, Weak<State>)>> = const { RefCell::new(None) };
    }
    let id = vm.state.interpreter_id;
    LAST.with_borrow_mut(|last| {
        if let Some((key, state)) = last
            && *key == id
            && let Some(state) = state.upgrade()
        {
            return state;
        }
        let state = look_up(vm);
        *last = Some((id, Arc::downgrade(&state)));
        state
    })
}

fn look_up(vm: &VirtualMachine) -> Arc<State> {
    let mut runtimes = RUNTIMES.get_or_init(Default::default).write();
    let entry = runtimes.entry(vm.state.runtime_root_id);
    let entry = entry.or_insert_with(|| Entry {
        runtime: Arc::default(),
        states: BTreeMap::new(),
        alive: vm.state.weak(),
    });
    let runtime = entry.runtime.clone();
    let state = entry.states.entry(vm.state.interpreter_id);
    state
        .or_insert_with(|| Arc::new(State::new(runtime)))
        .clone()
}
