//! Configures the module and adds it to an interpreter.

use super::Handle;
use crate::module;
use crate::net::{Control, Event, Hook, Resolver};
use crate::policy::{Gate, Policy};
use crate::state::{self, Runtime};
#[cfg(feature = "ssl")]
use crate::vm::ssl;
use crate::vm::{native_hash, withheld};
use rustpython_vm::builtins::PyBaseExceptionRef;
use rustpython_vm::{InterpreterBuilder, VirtualMachine};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Configuration of the `socket` module of one interpreter.
///
/// Nothing is forbidden and nothing limited until a method here says so. Each setting
/// holds for this interpreter, its threads and its subinterpreters, and for no other
/// interpreter of the process. A second call of a method replaces the first.
/// [`wake_signal`](Self::wake_signal) differs: it is chosen once, for the whole
/// process.
///
/// ```
/// use rustpython_socket::{Rules, SocketModule};
/// use rustpython_vm::Interpreter;
///
/// let rules = Rules::deny_all().allow("127.0.0.1:6379")?;
/// let module = SocketModule::new().policy(rules).max_sockets(64);
/// let handle = module.handle();
/// let interpreter = module.register(Interpreter::builder(Default::default())).build();
/// interpreter.enter(|vm| {
///     let scope = vm.new_scope_with_builtins();
///     let script = "
/// import socket
/// try:
///     socket.create_connection(('127.0.0.1', 22))
/// except PermissionError as refused:
///     assert str(refused) == '[Errno 13] connect to 127.0.0.1:22 is not allowed by any rule'
/// ";
///     vm.run_string(scope, script, "<script>").unwrap();
/// });
/// assert_eq!(handle.counters().refusals, 1);
/// # Ok::<(), rustpython_socket::RuleError>(())
/// ```
#[derive(Default)]
#[must_use]
pub struct SocketModule {
    control: Arc<Control>,
    policy: Option<Arc<dyn Policy>>,
    resolver: Option<Arc<dyn Resolver>>,
    hook: Option<Box<Hook>>,
    interruption: Option<Box<state::Interruption>>,
}

impl fmt::Debug for SocketModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketModule")
            .field("control", &self.control)
            .field("has_policy", &self.policy.is_some())
            .field("has_resolver", &self.resolver.is_some())
            .field("has_hook", &self.hook.is_some())
            .finish_non_exhaustive()
    }
}

impl SocketModule {
    /// Creates a module with nothing forbidden and nothing limited.
    ///
    /// ```
    /// let module = rustpython_socket::SocketModule::new();
    /// # drop(module);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks `policy` before scripts reach anything: [`Rules`](crate::Rules), or a policy of
    /// the host's own. Scripts cannot see or change it; an operation that it refuses raises
    /// PermissionError.
    ///
    /// ```
    /// use rustpython_socket::{Rules, SocketModule};
    ///
    /// let module = SocketModule::new().policy(Rules::loopback_only());
    /// # drop(module);
    /// ```
    pub fn policy(mut self, policy: impl Policy + 'static) -> Self {
        self.policy = Some(Arc::new(policy));
        self.control.guard();
        self
    }

    /// Limits how many sockets may be open at once. One more raises OSError EMFILE.
    /// Descriptors that a script has outside its sockets count too, until it closes them
    /// with `socket.close()`: those that it detached, duplicated by number, received over a
    /// unix socket, or got from a socket option, and under a policy the duplicates that a
    /// call makes of descriptors to send. Each descriptor is counted before the system call
    /// that makes it. One that is on its way between unix sockets has no number and does
    /// not count.
    ///
    /// ```
    /// let module = rustpython_socket::SocketModule::new().max_sockets(64);
    /// # drop(module);
    /// ```
    pub fn max_sockets(self, most: usize) -> Self {
        self.control.ledger.permits.set_most(most);
        self
    }

    /// Limits how many bytes scripts may receive in all. The call that crosses the limit
    /// still returns what it received; the next one raises OSError EDQUOT. Bytes that a
    /// file made from a socket has buffered stay readable. Bytes that are peeked at
    /// (MSG_PEEK) count each time.
    ///
    /// ```
    /// let module = rustpython_socket::SocketModule::new().max_received(1 << 20);
    /// # drop(module);
    /// ```
    pub fn max_received(self, bytes: u64) -> Self {
        self.control.limits.set_received(bytes);
        self
    }

    /// Limits how many bytes scripts may send in all. The system call that crosses
    /// the limit is the last one; the next raises OSError EDQUOT.
    ///
    /// ```
    /// let module = rustpython_socket::SocketModule::new().max_sent(1 << 20);
    /// # drop(module);
    /// ```
    pub fn max_sent(self, bytes: u64) -> Self {
        self.control.limits.set_sent(bytes);
        self
    }

    /// Limits how fast scripts may begin connections: `most` a second on average, and
    /// `most` at once after a pause. One more raises OSError EDQUOT.
    ///
    /// ```
    /// let module = rustpython_socket::SocketModule::new().max_connections_per_second(10);
    /// # drop(module);
    /// ```
    pub fn max_connections_per_second(self, most: u64) -> Self {
        self.control.limits.set_connections(most);
        self
    }

    /// Limits how long any call may wait, whatever the timeout of its socket. A call that
    /// would wait longer raises TimeoutError, as at the socket's own timeout.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let module = rustpython_socket::SocketModule::new().max_wait(Duration::from_secs(30));
    /// # drop(module);
    /// ```
    pub fn max_wait(self, longest: Duration) -> Self {
        self.control.set_longest(Some(longest));
        self
    }

    /// Sets how many threads look names up for the interpreter, 8 by default. While all are
    /// busy, a further look-up waits for its turn; with 0, names cannot be looked up
    /// (`gaierror` EAI_AGAIN).
    ///
    /// ```
    /// let module = rustpython_socket::SocketModule::new().max_look_up_threads(2);
    /// # drop(module);
    /// ```
    pub fn max_look_up_threads(self, most: usize) -> Self {
        self.control.lookups.set_most(most);
        self
    }

    /// Lets each wait poll for up to `moment`, and for 20 ms at most, before its thread
    /// sleeps. Without this method, or with `Duration::ZERO`, waits sleep at once.
    ///
    /// The first waits of a socket sleep at once. Later waits poll only while polling keeps
    /// finding the answer, and none polls on a machine with one processor, nor for a while
    /// after a thread has lost its processor to another while it polled: 1 ms, and up to a
    /// second if that goes on. Polling saves a sleep and a wake-up (10 µs to 40 µs) in each round
    /// trip to a peer that answers at once, if `moment` is not shorter. It keeps a processor busy
    /// meanwhile, so another thread that wants it may have to wait for `moment`. `close()` and the
    /// host's interrupts take effect when the poll is over.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let module = rustpython_socket::SocketModule::new().busy_poll(Duration::from_micros(50));
    /// # drop(module);
    /// ```
    pub fn busy_poll(self, moment: Duration) -> Self {
        self.control.set_busy_poll(moment);
        self
    }

    /// Uses `signal` to end waits in other threads, in place of SIGURG, or of the
    /// highest free real-time signal where the process has a handler for SIGURG.
    ///
    /// The signal is chosen once, for the whole process.
    ///
    /// A thread that waits for a socket is woken by a signal whose handler does nothing
    /// (see pthread_kill(3)); `close()` in another thread, [`Handle::interrupt`] and the
    /// end of a look-up send it. The module installs that handler when a call first waits,
    /// touches no other signal, and leaves the masks of threads as it found them. A host
    /// that will handle SIGURG itself chooses another signal here.
    ///
    /// # Errors
    ///
    /// EINVAL if a signal has been chosen already, by this method or because a call has
    /// waited, and it is another one; or if there is no such signal.
    ///
    /// ```
    /// let module = rustpython_socket::SocketModule::new().wake_signal(50)?;
    /// # drop(module);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wake_signal(self, signal: i32) -> std::io::Result<Self> {
        crate::sys::signal::choose(signal)?;
        Ok(self)
    }

    /// Chooses whether a send on a broken connection raises SIGPIPE beside BrokenPipeError.
    /// By default it does not.
    ///
    /// With `true` the process's disposition of the signal decides, as in CPython: ignored,
    /// a handler, or the end of the process. Use it in a program that runs nothing but its
    /// script, as `interpreter` does: Rust programs ignore SIGPIPE unless a script changes
    /// that.
    ///
    /// ```
    /// let module = rustpython_socket::SocketModule::new().sigpipe(true);
    /// # drop(module);
    /// ```
    pub fn sigpipe(self, raised: bool) -> Self {
        self.control.set_sigpipe(raised);
        self
    }

    /// Takes host names from `resolver` instead of the system.
    ///
    /// ```
    /// use rustpython_socket::{ResolveError, Resolver, SocketModule};
    /// use std::net::IpAddr;
    ///
    /// /// Scripts reach hosts by number only.
    /// struct NoNames;
    ///
    /// impl Resolver for NoNames {
    ///     fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
    ///         Err(ResolveError::NotFound)
    ///     }
    /// }
    ///
    /// let module = SocketModule::new().resolver(NoNames);
    /// # drop(module);
    /// ```
    pub fn resolver(mut self, resolver: impl Resolver + 'static) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// Calls `hook` for everything that happens to the scripts' sockets, and for look-ups,
    /// on the thread where it happens, in the middle of the call. The hook must not block,
    /// and must not wait for a lock that another thread holds while it calls a method of
    /// [`Handle`] or runs a script. A panic in the hook prints its message and has no other
    /// effect. See [`Event`].
    ///
    /// ```
    /// use rustpython_socket::{Event, SocketModule};
    ///
    /// let module = SocketModule::new().on_event(|event| {
    ///     if let Event::Refused { denied, .. } = event {
    ///         eprintln!("{denied}");
    ///     }
    /// });
    /// # drop(module);
    /// ```
    pub fn on_event(mut self, hook: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Chooses the exception that an interrupted call raises. By default, and if
    /// `exception` panics, that is KeyboardInterrupt, which `except Exception` does not
    /// catch.
    ///
    /// ```
    /// use rustpython_socket::SocketModule;
    ///
    /// let module = SocketModule::new()
    ///     .interrupt_with(|vm| vm.new_exception_empty(vm.ctx.exceptions.system_exit.to_owned()));
    /// # drop(module);
    /// ```
    pub fn interrupt_with(
        mut self,
        exception: impl Fn(&VirtualMachine) -> PyBaseExceptionRef + Send + Sync + 'static,
    ) -> Self {
        self.interruption = Some(Box::new(exception));
        self
    }

    /// Returns the handle with which the host ends calls, closes sockets and reads
    /// counters.
    ///
    /// ```
    /// let module = rustpython_socket::SocketModule::new();
    /// let handle = module.handle();
    /// assert_eq!(handle.counters().open, 0);
    /// ```
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            control: self.control.clone(),
        }
    }

    /// Adds the module to an interpreter, as `socket` and as `_socket`.
    ///
    /// Call it after a standard library was added: of two native modules with one name, the
    /// interpreter uses the one added last. If an `_ssl` was added, TLS works over the
    /// sockets of this module (feature `ssl`). Call it also after init hooks that change
    /// `vm.state`: from then on the module holds a reference to it, so that `PyRc::get_mut`
    /// returns `None`. For the same reason no init hook before this one may keep a clone of
    /// `vm.state`: the interpreter would then have RustPython's own `_ssl`, which does not
    /// work with sockets of this module.
    ///
    /// The first interpreter with the module changes how the VM hashes built-in functions
    /// and methods, in the whole process, so that `sock.close in {sock.close}` is true. Build
    /// it before other interpreters run scripts: a set or a dictionary that already exists
    /// does not find its built-in functions again.
    ///
    /// With a policy or any limit, `_interpreters`, `_interpchannels`, `_interpqueues` and
    /// `_testinternalcapi` raise ImportError: with the first three a script could run code
    /// in any subinterpreter of the process, under another host's policy, and with the last
    /// one it could make the VM take one class for another.
    ///
    /// ```
    /// use rustpython_socket::SocketModule;
    /// use rustpython_vm::Interpreter;
    ///
    /// let builder = Interpreter::builder(Default::default());
    /// let interpreter = SocketModule::new().register(builder).build();
    /// interpreter.enter(|vm| {
    ///     let scope = vm.new_scope_with_builtins();
    ///     vm.run_string(scope, "import socket; socket.socket().close()", "<script>").unwrap();
    /// });
    /// ```
    #[must_use]
    pub fn register(self, builder: InterpreterBuilder) -> InterpreterBuilder {
        let definitions = module::definitions(&builder.ctx);
        let withheld = withheld::definitions(&builder.ctx);
        let builder = if self.policy.is_some() || self.control.is_limited() {
            builder.add_native_modules(&withheld)
        } else {
            builder
        };
        if let Some(hook) = self.hook {
            self.control.observer.set_hook(hook);
        }
        if let Some(resolver) = self.resolver {
            self.control.set_resolver(resolver);
        }
        let (control, interruption) = (self.control.clone(), self.interruption);
        let gate = Gate::new(self.policy).reporting_to(self.control.observer.clone());
        builder
            .add_native_modules(&definitions)
            .init_hook(move |vm| {
                native_hash::install(vm);
                let runtime = Runtime {
                    gate,
                    control,
                    interruption,
                    #[cfg(feature = "ssl")]
                    tls: ssl::install(vm),
                };
                state::register(vm, Arc::new(runtime));
            })
    }
}
