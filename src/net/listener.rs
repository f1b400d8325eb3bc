//! accept(2).

use super::call::{Call, Ready};
use super::{Error, VmContext};
use crate::policy::SockAddr;
use crate::sys;
use std::os::fd::OwnedFd;

impl<V: VmContext> Call<'_, V> {
    /// Waits for the next connection (accept(2)); returns it and the peer's address.
    ///
    /// Whoever else has the listener, in this process or another one, may take a
    /// connection that poll(2) has told of, and may have changed the mode that all of
    /// them share: so the call is one that may block.
    pub(crate) fn accept(&mut self) -> Result<(OwnedFd, SockAddr), Error> {
        self.retry_bounded(Ready::Read, |fd| sys::socket::accept(fd, 0))
    }
}
