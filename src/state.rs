//! The module's memory of each interpreter, and the host's decisions.
//!
//! [`of`] finds the [`State`] of the interpreter that runs. An interpreter and its
//! subinterpreters share one [`Runtime`].

pub(crate) use crate::vm::interpreters::{of, register};

use crate::constants::enums::Enums;
use crate::net::{Control, Timeout};
use crate::object::SocketClass;
use crate::policy::{Denied, Gate, Operation, Policy, Target};
use crate::sys::fork::Inherited;
use rustpython_vm::VirtualMachine;
use rustpython_vm::builtins::PyBaseExceptionRef;
#[cfg(feature = "ssl")]
use rustpython_vm::builtins::PyModuleDef;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Weak};

/// Decisions of the host for a top-level interpreter, shared by its subinterpreters.
/// Scripts cannot reach them.
#[derive(Default)]
pub(crate) struct Runtime {
    /// The policy and its gate.
    pub(crate) gate: Gate,
    /// Interrupts, limits and counters.
    pub(crate) control: Arc<Control>,
    /// Makes the exception of an interrupted call, if not KeyboardInterrupt.
    pub(crate) interruption: Option<Box<Interruption>>,
    /// The `_ssl` that the interpreter had before.
    #[cfg(feature = "ssl")]
    pub(crate) tls: Option<&'static PyModuleDef>,
}

impl Runtime {
    /// Makes the state of an interpreter whose host is not known any more.
    pub(crate) fn refusing() -> Self {
        let runtime = Self {
            gate: Gate::new(Some(Arc::new(DenyAll))),
            ..Self::default()
        };
        runtime.control.stop();
        runtime
    }
}

/// The policy of an interpreter whose host is not known any more.
struct DenyAll;

impl Policy for DenyAll {
    fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied> {
        let reason = format!("{operation} {target} is not allowed: the interpreter has no host");
        Err(Denied::new(reason))
    }
}

/// Makes the exception of an interrupted call.
pub(crate) type Interruption = dyn Fn(&VirtualMachine) -> PyBaseExceptionRef + Send + Sync;

/// The state of one interpreter.
#[derive(Default)]
pub(crate) struct State {
    /// The host's decisions.
    pub(crate) runtime: Arc<Runtime>,
    /// The version of the class `socket.socket` as long as no script changed it.
    pub(crate) plain: AtomicU32,
    /// True once SocketIO is registered with the abstract classes of `io`.
    pub(crate) is_known_to_io: AtomicBool,
    /// True once `os.fork()` imports what the names of the module need.
    #[cfg(feature = "threading")]
    pub(crate) imports_before_fork: AtomicBool,
    /// The classes `socket.socket`, the newest last. There are several if a script
    /// removed the module from `sys.modules` and imported it again.
    pub(crate) classes: Inherited<Vec<SocketClass>>,
    /// The enum classes, made with this interpreter's `enum`. The modules own them, so that
    /// they end with their interpreter.
    pub(crate) enums: Inherited<Weak<Enums>>,
    default_timeout: DefaultTimeout,
}

struct DefaultTimeout(AtomicI64);

impl Default for DefaultTimeout {
    fn default() -> Self {
        Self(AtomicI64::new(Timeout::Blocking.as_nanos()))
    }
}

impl State {
    pub(crate) fn new(runtime: Arc<Runtime>) -> Self {
        Self {
            runtime,
            ..Self::default()
        }
    }

    /// Returns the timeout of new sockets (`socket.getdefaulttimeout()`).
    pub(crate) fn default_timeout(&self) -> Timeout {
        Timeout::from_nanos(self.default_timeout.0.load(Ordering::Relaxed))
    }

    /// Sets the timeout of new sockets (`socket.setdefaulttimeout()`).
    pub(crate) fn set_default_timeout(&self, timeout: Timeout) {
        let nanos = timeout.as_nanos();
        self.default_timeout.0.store(nanos, Ordering::Relaxed);
    }
}
