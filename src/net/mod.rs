//! Waiting calls on sockets, their deadlines, and everything that can wake them.
//!
//! This layer knows only [`VmContext`] of the VM, and has no `unsafe`.

mod ancillary;
mod buffers;
mod busy_poll;
pub(crate) mod call;
mod close;
mod connect;
mod control;
mod deadline;
mod error;
mod file;
mod host_resolver;
mod interpreter_waits;
mod ledger;
mod limits;
mod linger;
mod listener;
mod lookups;
pub(crate) mod low_water;
mod marks;
mod observer;
mod opening;
pub(crate) mod resolve;
#[cfg(feature = "ssl")]
mod send_queue;
mod socket;
mod socket_options;
pub(crate) mod transfer;
pub(crate) mod wait;
mod wake;

pub(crate) use crate::sys::MessageFlags;
pub(crate) use crate::sys::message::ControlBuffer;
pub(crate) use crate::sys::socket::SocketSpec;
pub(crate) use crate::sys::sockopt::answers_descriptor;
pub(crate) use ancillary::{Ancillary, Arrived};
pub(crate) use buffers::{ReceiveBuffer, SendBuffer, SendBuffers};
pub(crate) use call::Call;
pub(crate) use close::close;
pub(crate) use control::Control;
pub(crate) use deadline::{Deadline, Timeout};
pub(crate) use error::Error;
pub(crate) use file::{FileRange, SourceFile};
pub(crate) use host_resolver::EAI_ADDRFAMILY;
pub use host_resolver::{ResolveError, Resolver};
pub(crate) use ledger::Moving;
pub use observer::{Event, Limit, SocketId};
pub(crate) use observer::{Hook, Observer};
#[cfg(feature = "ssl")]
pub(crate) use send_queue::SendQueue;
pub(crate) use socket::{NotOpened, Socket};
#[cfg(feature = "ssl")]
pub(crate) use wake::Waiters;

/// Queue of a protocol above a socket. Without the feature `ssl` there is no such
/// protocol.
#[cfg(not(feature = "ssl"))]
#[derive(Debug)]
pub(crate) enum SendQueue {}

#[cfg(not(feature = "ssl"))]
impl SendQueue {
    pub(crate) fn put(&self, _: &[u8]) {
        match *self {}
    }
}

/// Access to the VM during a call that may wait.
pub(crate) trait VmContext {
    /// Runs `f`, which may block, with this thread detached from the VM.
    fn detached<R>(&self, f: impl FnOnce() -> R) -> R;

    /// Runs signal handlers that are due. An error means that a handler raised; the context
    /// keeps the exception.
    fn check_signals(&self) -> Result<(), Error>;
}

/// A context without a VM, for tests: blocks in place and has no signal handlers.
#[cfg(test)]
pub(crate) struct NoVm;

#[cfg(test)]
impl VmContext for NoVm {
    fn detached<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    fn check_signals(&self) -> Result<(), Error> {
        Ok(())
    }
}
