//! Remembers which names led to an address.

use crate::sockaddr::SockAddr;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// The names that led to each address. The addresses that were looked up longest ago are
/// forgotten.
#[derive(Debug, Default)]
pub(crate) struct ResolvedNames {
    known: HashMap<IpAddr, Known>,
    /// The addresses by their last look-up.
    order: BTreeMap<u64, IpAddr>,
    /// The number of look-ups.
    look_ups: u64,
}

#[derive(Debug, Default)]
struct Known {
    /// The name that was looked up last comes last.
    names: Vec<Arc<str>>,
    /// The number of the last look-up.
    last: u64,
}

/// The largest numbers of addresses, and of names of an address, that are remembered.
pub(super) const MOST_ADDRESSES: usize = 4096;
const MOST_NAMES: usize = 8;

impl ResolvedNames {
    /// Remembers that `name` led to `address`.
    pub(crate) fn learn(&mut self, address: &SockAddr, name: &str) {
        let Some(ip) = reached(address) else {
            return;
        };
        let Known { names, last } = self.known.entry(ip).or_default();
        self.order.remove(last);
        self.look_ups += 1;
        *last = self.look_ups;
        self.order.insert(*last, ip);
        if let Some(at) = names.iter().position(|known| **known == *name) {
            names[at..].rotate_left(1);
            return;
        }
        if names.len() == MOST_NAMES {
            names.remove(0);
        }
        names.push(name.into());
        if self.order.len() > MOST_ADDRESSES
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.known.remove(&oldest);
        }
    }

    /// Returns the names that led to an address. The name that was looked up last comes
    /// last.
    pub(crate) fn names(&self, address: &SockAddr) -> Vec<Arc<str>> {
        reached(address)
            .and_then(|ip| self.known.get(&ip))
            .map(|known| known.names.clone())
            .unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.known.len(), self.order.len());
        self.known.len()
    }
}

/// Returns the address that packets are sent to: IPv4 in place of an IPv4-mapped
/// address.
fn reached(address: &SockAddr) -> Option<IpAddr> {
    address.ip().map(|(ip, _)| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr};

    #[test]
    fn the_name_that_was_last_looked_up_is_last() {
        let mut names = ResolvedNames::default();
        let address = |text: &str| SockAddr::from(text.parse::<SocketAddr>().unwrap());
        for name in ["a", "b", "c", "a", "b"] {
            names.learn(&address("10.0.0.1:80"), name);
        }
        let known = names.names(&address("[::ffff:10.0.0.1]:443"));
        let known: Vec<_> = known.iter().map(|name| &**name).collect();
        assert_eq!(known, ["c", "a", "b"]);
        for n in 0..20 {
            names.learn(&address("10.0.0.1:80"), &n.to_string());
        }
        assert_eq!(names.names(&address("10.0.0.1:0")).len(), MOST_NAMES);
        assert!(names.names(&address("10.0.0.2:0")).is_empty());
    }

    #[test]
    fn an_address_that_is_looked_up_again_is_kept() {
        let mut names = ResolvedNames::default();
        let address = |n: usize| {
            let ip = Ipv4Addr::from(n as u32);
            SockAddr::from(SocketAddr::new(ip.into(), 0))
        };
        for n in 0..MOST_ADDRESSES {
            names.learn(&address(n), "a");
        }
        names.learn(&address(0), "a");
        names.learn(&address(MOST_ADDRESSES), "a");
        assert_eq!(names.len(), MOST_ADDRESSES);
        assert_eq!(names.names(&address(0)).len(), 1);
        assert!(names.names(&address(1)).is_empty());
    }
}
