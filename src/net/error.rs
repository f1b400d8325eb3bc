//! Errors of calls, without the VM.

use super::Limit;
use crate::policy::Denied;
use nix::errno::Errno;

/// Failure of a call. `bridge::errors` converts each into its Python exception.
#[derive(Debug)]
pub(crate) enum Error {
    /// A system call failed (errno(3)).
    Errno(Errno),
    /// The socket's timeout ran out.
    TimedOut,
    /// A signal handler raised; the [`VmContext`](super::VmContext) has the exception.
    Raised,
    /// The host interrupted the call.
    Interrupted,
    /// The policy refused the operation.
    Denied(Denied),
    /// A limit that the host set is reached.
    Limit(Limit),
    /// Name resolution failed: an EAI_ number (getaddrinfo(3)).
    AddrInfo(i32),
    /// A host database look-up failed: an h_errno number (gethostbyname(3)).
    HostDb(i32),
    /// Memory of that size is not available.
    NoMemory,
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Limit> for Error {
    fn from(limit: Limit) -> Self {
        Self::Limit(limit)
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}
