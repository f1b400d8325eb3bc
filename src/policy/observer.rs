//! What a host sees: counters, and an event for each thing that happens.

use super::{Denied, Operation, SockAddr, Target};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that no other socket of the process has had.
pub(crate) type SocketId = u64;

/// A limit that the host set, and a script reached.
///
/// ```
/// use rustpython_socket::{Event, Limit, SocketModule};
///
/// let module = SocketModule::new().max_sockets(4).on_event(|event| {
///     if let Event::Limited { limit: Limit::Sockets } = event {
///         eprintln!("the script wants more than four sockets");
///     }
/// });
/// # drop(module);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Open sockets and other descriptors: EMFILE.
    Sockets,
    /// Bytes received: EDQUOT.
    Received,
    /// Bytes sent: EDQUOT.
    Sent,
    /// Connections begun within a second: EDQUOT.
    Connections,
}

/// Something that happened to a socket of a script. `id` is the same number in
/// all the events of one socket.
///
/// ```
/// use rustpython_socket::{Event, SocketModule};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// let sent = Arc::new(AtomicUsize::new(0));
/// let sum = sent.clone();
/// let module = SocketModule::new().on_event(move |event| {
///     if let Event::Sent { bytes, .. } = event {
///         sum.fetch_add(*bytes, Ordering::Relaxed);
///     }
/// });
/// # drop(module);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A socket was created, accepted, adopted or duplicated.
    Opened {
        /// Which socket.
        id: u64,
        /// AF_ number.
        family: i32,
        /// SOCK_ number without flags.
        socket_type: i32,
    },
    /// A connection was made by connect(2). A socket that does not wait tells
    /// only what is made at once.
    Connected {
        /// Which socket.
        id: u64,
        /// The peer.
        address: &'a SockAddr,
    },
    /// Bytes arrived.
    Received {
        /// Which socket.
        id: u64,
        /// How many.
        bytes: usize,
    },
    /// Bytes were handed to the kernel.
    Sent {
        /// Which socket.
        id: u64,
        /// How many.
        bytes: usize,
    },
    /// The policy refused.
    Refused {
        /// What the script was about to do.
        operation: Operation,
        /// With what.
        target: &'a Target<'a>,
        /// What the script is told.
        denied: &'a Denied,
    },
    /// A limit was reached: the call fails, or a descriptor that arrived is closed.
    Limited {
        /// Which limit.
        limit: Limit,
    },
    /// A socket was closed, or its descriptor given away.
    Closed {
        /// Which socket.
        id: u64,
        /// The bytes that it received in all.
        received: u64,
        /// The bytes that it sent in all.
        sent: u64,
    },
}

/// Who is told of events.
pub(crate) type Hook = dyn Fn(&Event<'_>) + Send + Sync;

/// The counters of one runtime, and its host's hook.
#[derive(Default)]
pub(crate) struct Observer {
    hook: OnceLock<Box<Hook>>,
    pub(crate) opened: AtomicU64,
    pub(crate) refusals: AtomicU64,
    pub(crate) limited: AtomicU64,
    /// Of sockets that are closed.
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("opened", &self.opened)
            .field("refusals", &self.refusals)
            .finish_non_exhaustive()
    }
}

impl Observer {
    /// The first hook stays.
    pub(crate) fn set_hook(&self, hook: Box<Hook>) {
        let _ = self.hook.set(hook);
    }

    /// Whether anybody wants events.
    #[inline]
    pub(crate) fn is_hooked(&self) -> bool {
        self.hook.get().is_some()
    }

    /// Tells the hook. If it panics, the panic ends here, with the message that it
    /// has printed: this runs in the middle of calls, and in destructors.
    #[cold]
    pub(crate) fn emit(&self, event: &Event<'_>) {
        if let Some(hook) = self.hook.get() {
            let _ = catch_unwind(AssertUnwindSafe(|| hook(event)));
        }
    }

    #[cold]
    pub(crate) fn limited(&self, limit: Limit) {
        self.limited.fetch_add(1, Ordering::Relaxed);
        self.emit(&Event::Limited { limit });
    }

    #[cold]
    pub(super) fn refused(&self, operation: Operation, target: &Target<'_>, denied: &Denied) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
        self.emit(&Event::Refused {
            operation,
            target,
            denied,
        });
    }
}
