//! Blocking logic: how a call waits, until when, and what can wake it.
//!
//! No VM and no `unsafe` here; [`Host`] is all this layer knows of the VM.

mod busy_poll;
pub(crate) mod connect;
mod control;
mod deadline;
mod error;
mod ledger;
mod limits;
pub(crate) mod listener;
mod names;
pub(crate) mod operation;
mod outgoing;
pub(crate) mod resolve;
mod socket;
pub(crate) mod transfer;
mod waker;

pub(crate) use crate::policy::Limit;
pub(crate) use control::Control;
pub(crate) use deadline::{Clock, Timeout};
pub(crate) use error::Error;
pub(crate) use ledger::Moving;
pub use names::Resolver;
pub(crate) use outgoing::Outgoing;
pub(crate) use socket::{NotOpened, Socket};
pub(crate) use waker::Waker;

/// What waiting needs of the program around it.
pub(crate) trait Host {
    /// Runs `f`, which may block, with this thread out of the VM's way.
    fn detached<R>(&self, f: impl FnOnce() -> R) -> R;

    /// Runs signal handlers that are due. An error means that one raised; the
    /// host keeps the exception.
    fn check_signals(&self) -> Result<(), Error>;
}

/// A host without a VM: blocks in place, has no signal handlers. For tests.
#[cfg(test)]
pub(crate) struct Plain;

#[cfg(test)]
impl Host for Plain {
    fn detached<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    fn check_signals(&self) -> Result<(), Error> {
        Ok(())
    }
}
