//! Counters and events for the host.

use super::ResolveError;
use crate::policy::{Denied, Operation, ReportRefusal, ResolvedNames, Target};
use crate::sockaddr::SockAddr;
use crate::sys::fork::Inherited;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Number of a script's socket, which no other socket of the process has or has had.
///
/// ```
/// use rustpython_socket::{Event, SocketModule};
///
/// let module = SocketModule::new();
/// let handle = module.handle();
/// let module = module.on_event(move |event| {
///     if let Event::Listening { id, .. } = event {
///         println!("socket {id} listens, and is closed");
///         handle.close_socket(*id);
///     }
/// });
/// # drop(module);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(u64);

impl SocketId {
    /// Returns an id that was not given out before.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Writes the number.
impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A limit that the host set, and a script reached.
///
/// ```
/// use rustpython_socket::{Event, Limit, SocketModule};
///
/// let module = SocketModule::new().max_sockets(4).on_event(|event| {
///     if let Event::Limited { limit: Limit::Sockets, .. } = event {
///         eprintln!("the script wants more than four sockets");
///     }
/// });
/// # drop(module);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Open sockets and other descriptors: EMFILE.
    Sockets,
    /// Bytes received: EDQUOT.
    Received,
    /// Bytes sent: EDQUOT.
    Sent,
    /// Connections that begin in a second, on average, or at once after a pause: EDQUOT.
    Connections,
}

/// Writes the limit as a message names it: "sockets", "bytes received".
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sockets => "sockets",
            Self::Received => "bytes received",
            Self::Sent => "bytes sent",
            Self::Connections => "connections",
        })
    }
}

/// An event: a change of a script's socket, a look-up, a refusal, or a limit that was reached.
///
/// `id` is the same number in all the events of one socket, and no other socket of the
/// process has it.
///
/// # A connection
///
/// A connect(2) that succeeds at once is one event, [`Connected`](Self::Connected); a
/// connect(2) that fails at once is one [`ConnectFailed`](Self::ConnectFailed). A
/// connect that takes time, because the peer is far or the socket is non-blocking, is
/// [`Connecting`](Self::Connecting) first. On a non-blocking socket the end is reported
/// when the script sees it:
///
/// - `Connected` when `getsockopt(SOL_SOCKET, SO_ERROR)` is 0 and there is a peer, which is
///   how asyncio and `selectors` ask; or when a further `connect()`, `getpeername()`, or a
///   call that sends or receives succeeds.
/// - `ConnectFailed` when one of those calls has the error of the connect.
/// - Neither, if the script closes the socket before.
///
/// A connect that a timeout, a signal handler or the host ends is `ConnectFailed` with
/// ETIMEDOUT or EINTR, although the kernel may go on with it.
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A socket was created, accepted, taken over or duplicated.
    #[non_exhaustive]
    Opened {
        /// The socket.
        id: SocketId,
        /// AF_ number.
        family: i32,
        /// SOCK_ number without flags.
        socket_type: i32,
    },
    /// A connect began and did not finish at once.
    #[non_exhaustive]
    Connecting {
        /// The socket.
        id: SocketId,
        /// The peer.
        peer: &'a SockAddr,
        /// The name that the script last looked up and that led to the address, as far as
        /// names are remembered.
        name: Option<&'a str>,
    },
    /// A connection was made by connect(2), or a datagram socket got a peer.
    #[non_exhaustive]
    Connected {
        /// The socket.
        id: SocketId,
        /// The peer.
        peer: &'a SockAddr,
        /// The name that the script last looked up and that led to the address, as far as
        /// names are remembered.
        name: Option<&'a str>,
    },
    /// A connect failed, or the script stopped waiting for it.
    #[non_exhaustive]
    ConnectFailed {
        /// The socket.
        id: SocketId,
        /// The peer that was not reached.
        peer: &'a SockAddr,
        /// The name that the script last looked up and that led to the address, as far as
        /// names are remembered.
        name: Option<&'a str>,
        /// The error number (errno(3)), such as ECONNREFUSED.
        errno: i32,
    },
    /// A socket began to listen: listen(2).
    #[non_exhaustive]
    Listening {
        /// The socket.
        id: SocketId,
        /// The address that it listens on (getsockname(2)).
        address: &'a SockAddr,
    },
    /// A connection was accepted: accept(2).
    #[non_exhaustive]
    Accepted {
        /// The connection; `None` if the script got only the number of its descriptor
        /// (`socket._accept()`).
        id: Option<SocketId>,
        /// The socket that listens.
        listener: SocketId,
        /// The address of the peer; empty if the peer has none.
        peer: &'a SockAddr,
    },
    /// The addresses of a name were looked up.
    #[non_exhaustive]
    Resolved {
        /// The name.
        host: &'a str,
        /// The addresses that the resolver gave, before the policy is asked about them, or
        /// the error. [`ResolveError::TryAgain`] if the script stopped waiting.
        addresses: Result<&'a [IpAddr], ResolveError>,
    },
    /// The name of an address was looked up.
    #[non_exhaustive]
    ReverseResolved {
        /// The address.
        address: IpAddr,
        /// The name that the resolver gave, or the error.
        name: Result<&'a str, ResolveError>,
    },
    /// Bytes arrived.
    #[non_exhaustive]
    Received {
        /// The socket.
        id: SocketId,
        /// The number of bytes.
        bytes: usize,
    },
    /// Bytes were handed to the kernel.
    #[non_exhaustive]
    Sent {
        /// The socket.
        id: SocketId,
        /// The number of bytes.
        bytes: usize,
    },
    /// The policy refused an operation.
    #[non_exhaustive]
    Refused {
        /// The operation that the script was about to do.
        operation: Operation,
        /// The target of the operation.
        target: &'a Target<'a>,
        /// The refusal, as the script gets it.
        denied: &'a Denied,
    },
    /// A limit was reached: the call fails, or a descriptor that arrived is closed.
    #[non_exhaustive]
    Limited {
        /// The limit.
        limit: Limit,
    },
    /// A socket was closed, or its descriptor given away.
    #[non_exhaustive]
    Closed {
        /// The socket.
        id: SocketId,
        /// The bytes that it received in all.
        bytes_received: u64,
        /// The bytes that it sent in all.
        bytes_sent: u64,
    },
}

/// The host's function that gets the events.
pub(crate) type Hook = dyn Fn(&Event<'_>) + Send + Sync;

/// The counters of one runtime, and its host's hook.
#[derive(Default)]
pub(crate) struct Observer {
    hook: OnceLock<Box<Hook>>,
    /// The names of addresses, kept for the events if there is a hook.
    names: Inherited<ResolvedNames>,
    /// The peers of the connects that go on in the background. Such a socket also has a
    /// mark, so that no other socket needs a look-up here.
    connecting: Inherited<HashMap<SocketId, SockAddr>>,
    pub(crate) opened: AtomicU64,
    pub(crate) refusals: AtomicU64,
    pub(crate) limited: AtomicU64,
    /// The bytes of sockets that are closed.
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
    /// Sets the hook, before the first event.
    pub(crate) fn set_hook(&self, hook: Box<Hook>) {
        let _ = self.hook.set(hook);
    }

    /// Returns true if there is a hook.
    #[inline]
    pub(super) fn is_hooked(&self) -> bool {
        self.hook.get().is_some()
    }

    /// Calls the hook. A panic of the hook prints its message and ends here, because this
    /// runs in the middle of calls and in destructors.
    #[cold]
    pub(super) fn emit(&self, event: &Event<'_>) {
        if let Some(hook) = self.hook.get() {
            let _ = catch_unwind(AssertUnwindSafe(|| hook(event)));
        }
    }

    #[cold]
    pub(crate) fn limited(&self, limit: Limit) {
        self.limited.fetch_add(1, Ordering::Relaxed);
        self.emit(&Event::Limited { limit });
    }

    /// Remembers the peer of a connect that goes on in the background.
    pub(super) fn remember_peer(&self, id: SocketId, address: &SockAddr) {
        self.connecting.lock().insert(id, *address);
    }

    /// Forgets and returns the peer of a connect that went on in the background.
    pub(super) fn forget_peer(&self, id: SocketId) -> Option<SockAddr> {
        self.connecting.lock().remove(&id)
    }

    /// Reports the addresses of a look-up, and remembers the name for them.
    #[cold]
    pub(super) fn resolved(&self, host: &str, addresses: Result<&[IpAddr], ResolveError>) {
        if let Ok(addresses) = addresses {
            let mut names = self.names.lock();
            for ip in addresses {
                names.learn(&SocketAddr::new(*ip, 0).into(), host);
            }
        }
        self.emit(&Event::Resolved { host, addresses });
    }

    /// Returns the name that was last looked up and led to an address.
    pub(super) fn name_of(&self, address: &SockAddr) -> Option<Arc<str>> {
        self.names.lock().names(address).pop()
    }
}

impl ReportRefusal for Observer {
    #[cold]
    fn refused(&self, operation: Operation, target: &Target<'_>, denied: &Denied) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
        self.emit(&Event::Refused {
            operation,
            target,
            denied,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fork::testing::in_child;

    #[test]
    fn a_child_process_knows_the_connects_that_go_on_and_their_names() {
        let observer = Observer::default();
        let id = SocketId::next();
        let address = SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 80)));
        observer.remember_peer(id, &address);
        observer.resolved("here.test", Ok(&[[127, 0, 0, 1].into()]));
        in_child(|| {
            observer.name_of(&address).as_deref() == Some("here.test")
                && observer.forget_peer(id) == Some(address)
        });
        assert_eq!(observer.forget_peer(id), Some(address));
    }
}
