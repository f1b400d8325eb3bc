//! The ports of a rule: all, one or a range.

use super::operations::Effect;
use std::fmt;

/// Ports of IP have 16 bits, those of vsock 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports(Option<(u32, u32)>);

impl Ports {
    pub(super) const ANY: Self = Self(None);

    /// Makes the ports from `first` to `last`, of a protocol whose highest port is
    /// `highest`.
    pub(super) fn range(first: u32, last: u32, highest: u32) -> Self {
        Self((first > 0 || last < highest).then_some((first, last)))
    }

    /// Returns true if the ports match. A request without a port (`None`) is allowed by a
    /// rule for some port, but denied only by a rule for all ports: `:25` denies no look-up
    /// of a host.
    pub(super) fn matches(self, port: Option<u32>, effect: Effect) -> bool {
        match (self.0, port) {
            (None, _) => true,
            (Some((first, last)), Some(port)) => (first..=last).contains(&port),
            (Some(_), None) => effect == Effect::Allow,
        }
    }

    pub(super) fn is_any(self) -> bool {
        self.0.is_none()
    }
}

/// Writes the ports after a colon; nothing for all ports.
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some((first, last)) if first == last => write!(f, ":{first}"),
            Some((first, last)) => write!(f, ":{first}-{last}"),
        }
    }
}
