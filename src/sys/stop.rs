//! Why a call that does not wait came to no end.

use nix::errno::Errno;

/// An error of an attempt, and whether it got on before: EAGAIN after a part
/// has come or gone is no sign of a socket that is ready in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) errno: Errno,
    pub(crate) moved: bool,
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        let moved = false;
        Self { errno, moved }
    }
}
