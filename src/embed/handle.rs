//! Handle of a host to the sockets of one interpreter.

use crate::net::{Control, Socket, SocketId};
use crate::sockaddr::SockAddr;
use crate::sys;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Controls the sockets of one interpreter, from any thread of the host.
///
/// The methods end calls on sockets and name look-ups. They do not end waits in `select`,
/// `poll`, `epoll`, `time.sleep` or for a lock, nor a loop without waiting calls. To stop
/// such a loop too, send a function through the VM's signal channel; the main thread runs
/// it between two instructions. Repeat that until the script has ended, because another
/// interpreter of the process can take the wake-up:
///
/// ```
/// use rustpython_vm::Interpreter;
/// use rustpython_vm::signal::user_signal_channel;
///
/// let (sender, receiver) = user_signal_channel();
/// let interpreter = Interpreter::builder(Default::default())
///     .init_hook(move |vm| vm.set_user_signal_channel(receiver))
///     .build();
/// std::thread::spawn(move || {
///     let stop = |vm: &rustpython_vm::VirtualMachine| {
///         Err(vm.new_exception_empty(vm.ctx.exceptions.keyboard_interrupt.to_owned()))
///     };
///     loop {
///         std::thread::sleep(std::time::Duration::from_millis(50));
///         // An error says that the interpreter is gone.
///         if sender.send(Box::new(stop)).is_err() {
///             break;
///         }
///     }
/// });
/// interpreter.enter(|vm| {
///     let scope = vm.new_scope_with_builtins();
///     assert!(vm.run_string(scope, "while True: pass", "<script>").is_err());
/// });
/// ```
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) control: Arc<Control>,
}

/// The sums over all sockets that the scripts of an interpreter ever had.
///
/// ```
/// # let module = rustpython_socket::SocketModule::new();
/// let counters = module.handle().counters();
/// println!("{} of {} sockets open", counters.open, counters.opened);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Counters {
    /// The number of sockets that are open now.
    pub open: usize,
    /// The number of sockets that were opened so far.
    pub opened: u64,
    /// The number of bytes received.
    pub bytes_received: u64,
    /// The number of bytes sent.
    pub bytes_sent: u64,
    /// The number of refusals by the policy.
    pub refusals: u64,
    /// The number of times that a limit was reached.
    pub limited: u64,
}

/// A socket that is open.
///
/// ```
/// # let module = rustpython_socket::SocketModule::new();
/// for socket in module.handle().sockets() {
///     println!("{}: {} bytes in, {} out", socket.id, socket.bytes_received, socket.bytes_sent);
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SocketInfo {
    /// The socket's number in each [`Event`](crate::Event). No other socket of the process
    /// has had it.
    pub id: SocketId,
    /// The socket's descriptor.
    pub fd: RawFd,
    /// AF_ number.
    pub family: i32,
    /// SOCK_ number without flags.
    pub socket_type: i32,
    /// Protocol number.
    pub protocol: i32,
    /// The socket's own address, if it has one (getsockname(2)).
    pub local: Option<SockAddr>,
    /// The address of the peer, if there is one (getpeername(2)).
    pub peer: Option<SockAddr>,
    /// The number of bytes that the socket received.
    pub bytes_received: u64,
    /// The number of bytes that the socket sent.
    pub bytes_sent: u64,
}

impl Handle {
    /// Ends every socket call of the interpreter that has begun: a call that waits, or
    /// would come to wait, raises KeyboardInterrupt or the exception of
    /// [`interrupt_with`](crate::SocketModule::interrupt_with). Later calls are not
    /// affected; to end a script that may be between two calls, repeat this until it has
    /// ended, or use [`stop`](Self::stop).
    ///
    /// ```
    /// use rustpython_socket::SocketModule;
    ///
    /// let module = SocketModule::new();
    /// let handle = module.handle();
    /// std::thread::spawn(move || handle.interrupt()).join().unwrap();
    /// ```
    pub fn interrupt(&self) {
        self.control.interrupt();
    }

    /// Ends every call that waits, now and from now on, and closes every socket
    /// and every descriptor that the scripts took out of one. Nothing can be
    /// opened any more (OSError EMFILE), not even by a call that has begun.
    ///
    /// ```
    /// # let module = rustpython_socket::SocketModule::new();
    /// let handle = module.handle();
    /// handle.stop();
    /// assert_eq!(handle.counters().open, 0);
    /// ```
    pub fn stop(&self) {
        self.control.stop();
    }

    /// Sets a deadline: calls that wait when it comes are interrupted, and so are later
    /// calls as soon as they would wait. `None` removes the deadline.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// # let module = rustpython_socket::SocketModule::new();
    /// let handle = module.handle();
    /// handle.set_deadline(Some(Instant::now() + Duration::from_secs(60)));
    /// ```
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.control.set_deadline(deadline);
    }

    /// Closes every socket that is open, and every descriptor that the scripts
    /// took out of one ([`descriptors`](Self::descriptors)). Calls that wait on a
    /// socket fail with OSError EBADF.
    ///
    /// To keep a descriptor that a script detached, take it first with
    /// [`handoff::from_number`](crate::handoff::from_number). Dropping the interpreter,
    /// once its threads have ended, closes all sockets and descriptors that are left.
    ///
    /// ```
    /// # let module = rustpython_socket::SocketModule::new();
    /// let handle = module.handle();
    /// handle.close_all();
    /// assert!(handle.sockets().is_empty() && handle.descriptors().is_empty());
    /// ```
    pub fn close_all(&self) {
        self.control.ledger.close_all();
    }

    /// Closes one socket of [`sockets`](Self::sockets); calls that wait on it fail with
    /// OSError EBADF. Returns false if no socket with this number is open: the script has
    /// closed or detached it.
    ///
    /// ```
    /// use rustpython_socket::SocketModule;
    /// use rustpython_vm::Interpreter;
    ///
    /// let module = SocketModule::new();
    /// let handle = module.handle();
    /// let interpreter = module.register(Interpreter::builder(Default::default())).build();
    /// interpreter.enter(|vm| {
    ///     let scope = vm.new_scope_with_builtins();
    ///     vm.run_string(scope.clone(), "import socket; s = socket.socket()", "<script>").unwrap();
    ///     let socket = &handle.sockets()[0];
    ///     assert!(handle.close_socket(socket.id));
    ///     vm.run_string(scope, "assert s.fileno() == -1", "<script>").unwrap();
    ///     assert!(!handle.close_socket(socket.id));
    /// });
    /// ```
    pub fn close_socket(&self, id: SocketId) -> bool {
        self.control.ledger.close_id(id)
    }

    /// Lists the scripts' descriptors that are in no socket: those that were detached,
    /// duplicated by number, or received over unix sockets.
    ///
    /// ```
    /// # let module = rustpython_socket::SocketModule::new();
    /// assert!(module.handle().descriptors().is_empty());
    /// ```
    #[must_use]
    pub fn descriptors(&self) -> Vec<RawFd> {
        self.control.ledger.loose()
    }

    /// Returns the sums over all sockets so far.
    ///
    /// ```
    /// # let module = rustpython_socket::SocketModule::new();
    /// assert_eq!(module.handle().counters().opened, 0);
    /// ```
    #[must_use]
    pub fn counters(&self) -> Counters {
        let observer = &self.control.observer;
        let (open, bytes_received, bytes_sent) = self.control.ledger.sums(observer);
        Counters {
            opened: observer.opened.load(Ordering::Relaxed),
            open,
            bytes_received,
            bytes_sent,
            refusals: observer.refusals.load(Ordering::Relaxed),
            limited: observer.limited.load(Ordering::Relaxed),
        }
    }

    /// Lists the sockets that are open.
    ///
    /// ```
    /// # let module = rustpython_socket::SocketModule::new();
    /// for socket in module.handle().sockets() {
    ///     println!("{}: {:?} -> {:?}", socket.id, socket.local, socket.peer);
    /// }
    /// ```
    #[must_use]
    pub fn sockets(&self) -> Vec<SocketInfo> {
        let sockets = self.control.ledger.sockets();
        sockets.iter().filter_map(|socket| info(socket)).collect()
    }
}

fn info(socket: &Socket) -> Option<SocketInfo> {
    let call = socket.acquire_shared().ok()?;
    let address = |found: Result<SockAddr, _>| found.ok().filter(|address| !address.is_empty());
    Some(SocketInfo {
        id: socket.id,
        fd: call.number(),
        family: socket.family(),
        socket_type: socket.socket_type(),
        protocol: socket.protocol(),
        local: address(sys::socket::getsockname(call.fd())),
        peer: address(sys::socket::getpeername(call.fd())),
        bytes_received: socket.received.load(Ordering::Relaxed),
        bytes_sent: socket.sent.load(Ordering::Relaxed),
    })
}
