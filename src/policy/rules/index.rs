//! A list of rules with an index of the rules for hosts.

use super::Rule;
use super::pattern::{HostPattern, Pattern};
use crate::policy::LONGEST_NAME;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Deref;

/// Rules in the order in which they were added.
///
/// A rule for one host is in a map, by the name, the suffix or the subnet. So a request
/// costs one look into a map for every label of its name and for every prefix length
/// that occurs. All other rules are searched one by one.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    rules: Vec<Rule>,
    names: Places<Box<str>>,
    suffixes: Places<Box<str>>,
    nets: Places<IpNet>,
    /// A bit for each prefix length of the subnets.
    lengths4: u64,
    lengths6: [u128; 2],
    /// Rules for every host.
    everyone: Vec<u32>,
    /// Rules for targets other than hosts.
    others: Vec<u32>,
}

type Places<K> = HashMap<K, SmallVec<[u32; 2]>>;

/// The places of rules, in order.
type Found = SmallVec<[u32; 16]>;

/// Length up to which a list is searched one by one, because that costs less than the
/// maps.
const SHORT: usize = 8;

impl PartialEq for List {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl Eq for List {}

impl Deref for List {
    type Target = [Rule];

    fn deref(&self) -> &[Rule] {
        &self.rules
    }
}

impl List {
    pub(super) fn push(&mut self, rule: Rule) {
        // More rules than `u32::MAX` would not fit the memory.
        let place = self.rules.len() as u32;
        match &rule.pattern {
            Pattern::Host(HostPattern::Any, _) => self.everyone.push(place),
            Pattern::Host(HostPattern::Name(name), _) => {
                self.names.entry(name.clone()).or_default().push(place);
            }
            Pattern::Host(HostPattern::Suffix(name), _) => {
                self.suffixes.entry(name.clone()).or_default().push(place);
            }
            Pattern::Host(HostPattern::Net(net), _) => {
                let length = net.prefix_len();
                match net {
                    IpNet::V4(_) => self.lengths4 |= 1 << length,
                    IpNet::V6(_) => self.lengths6[usize::from(length / 128)] |= 1 << (length % 128),
                }
                self.nets.entry(*net).or_default().push(place);
            }
            _ => self.others.push(place),
        }
        self.rules.push(rule);
    }

    /// Returns the rules for targets other than hosts: families, paths, options and so on.
    pub(super) fn others(&self) -> impl Iterator<Item = &Rule> {
        self.others.iter().map(|place| &self.rules[*place as usize])
    }

    /// Returns, in order, at least all rules for hosts that match the name or one of the
    /// addresses. `name` must not end in a dot, and no address may be IPv4-mapped.
    pub(super) fn for_host(
        &self,
        name: Option<&str>,
        addresses: &[IpAddr],
    ) -> impl Iterator<Item = &Rule> {
        // An escape in a name may stand for any letter.
        let all = self.rules.len() <= SHORT || name.is_some_and(|name| name.contains('\\'));
        let mut found = Found::new();
        if !all {
            found.extend_from_slice(&self.everyone);
            if let Some(name) = name {
                self.find_name(name, &mut found);
            }
            for ip in addresses {
                self.find_address(*ip, &mut found);
            }
            found.sort_unstable();
            found.dedup();
        }
        let every = if all { self.rules.as_slice() } else { &[] };
        let some = found.into_iter().map(|place| &self.rules[place as usize]);
        every.iter().chain(some)
    }

    fn find_name(&self, name: &str, found: &mut Found) {
        // A rule's name is not longer than this many last bytes.
        let mut begin = name.len().saturating_sub(LONGEST_NAME + 1);
        while !name.is_char_boundary(begin) {
            begin += 1;
        }
        let end = name[begin..].to_ascii_lowercase();
        if name.len() <= LONGEST_NAME
            && let Some(places) = self.names.get(end.as_str())
        {
            found.extend_from_slice(places);
        }
        if self.suffixes.is_empty() {
            return;
        }
        for (at, _) in end.match_indices('.') {
            if let Some(places) = self.suffixes.get(&end[at + 1..]) {
                found.extend_from_slice(places);
            }
        }
    }

    fn find_address(&self, ip: IpAddr, found: &mut Found) {
        let mut look = |net: IpNet| {
            if let Some(places) = self.nets.get(&net) {
                found.extend_from_slice(places);
            }
        };
        match ip {
            IpAddr::V4(ip) => {
                let lengths = (0..=32).filter(|length| self.lengths4 >> length & 1 == 1);
                let nets = lengths.filter_map(|length| Ipv4Net::new(ip, length).ok());
                nets.for_each(|net| look(net.trunc().into()));
            }
            IpAddr::V6(ip) => {
                let has = |length: &u8| {
                    self.lengths6[usize::from(length / 128)] >> (length % 128) & 1 == 1
                };
                let lengths = (0..=128).filter(has);
                let nets = lengths.filter_map(|length| Ipv6Net::new(ip, length).ok());
                nets.for_each(|net| look(net.trunc().into()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::operations::Effect::{Allow, Deny};
    use super::*;

    fn list(rules: &[&str]) -> List {
        let mut list = List::default();
        // Enough rules to use the maps.
        for n in 0..=SHORT {
            list.push(format!("filler{n}.test").parse().unwrap());
        }
        for rule in rules {
            list.push(rule.parse().unwrap());
        }
        list
    }

    /// The index finds, in order, every rule that a search through all rules finds.
    #[test]
    fn nothing_that_matches_is_missed() {
        let list = list(&[
            "*",
            ":80",
            "example.com",
            "*.example.com",
            "*.com:443",
            "a.b.example.com",
            "10.0.0.0/8",
            "10.1.0.0/16:80",
            "10.1.2.3",
            "0.0.0.0/0",
            "::/0",
            "::1",
            "fd00::/8",
            "fd00::1",
            "2001:db8::/127",
            "unix:/run/",
            "socket:netlink",
            "EXAMPLE.com:8080",
        ]);
        let hosts = |rule: &&Rule| matches!(rule.pattern, Pattern::Host(..));
        assert_eq!(list.others().count(), 2);
        let long = format!("{}.example.com", "a".repeat(100_000));
        let edge = format!("{}.example.com", "é".repeat(130));
        for name in [
            "example.com",
            "Example.COM",
            "a.b.example.com",
            "x.a.b.example.com",
            ".example.com",
            "com",
            "",
            ".",
            "..",
            "a\\.example.com",
            "é.example.com",
            &long,
            &edge,
        ] {
            let matches = |rule: &&Rule| match &rule.pattern {
                Pattern::Host(host, _) => {
                    host.matches_name(name, Allow) || host.matches_name(name, Deny)
                }
                _ => false,
            };
            let found: Vec<_> = list.for_host(Some(name), &[]).filter(matches).collect();
            let all: Vec<_> = list.iter().filter(hosts).filter(matches).collect();
            assert_eq!(found, all, "{name}");
        }
        for ip in [
            "10.1.2.3",
            "10.2.0.0",
            "11.0.0.0",
            "0.0.0.0",
            "::",
            "::1",
            "fd00::1",
            "2001:db8::1",
            "2001:db8::2",
            "255.255.255.255",
            "ffff::",
        ] {
            let ip: IpAddr = ip.parse().unwrap();
            let matches = |rule: &&Rule| matches!(&rule.pattern, Pattern::Host(host, _) if host.matches_ip(ip));
            let found: Vec<_> = list.for_host(None, &[ip]).filter(matches).collect();
            let all: Vec<_> = list.iter().filter(matches).collect();
            assert_eq!(found, all, "{ip}");
        }
    }

    /// The cost of a request does not grow with the list.
    #[test]
    fn of_many_rules_few_are_looked_at() {
        let mut list = List::default();
        for n in 0..100_000u32 {
            let ip = std::net::Ipv4Addr::from(n << 8);
            list.push(format!("{ip}/{}", 24 + n % 9).parse().unwrap());
            list.push(format!("host{n}.example").parse().unwrap());
            list.push(format!("*.zone{n}.example").parse().unwrap());
        }
        let ip = "0.1.0.0".parse().unwrap();
        assert!(list.for_host(None, &[ip]).count() < 40);
        assert_eq!(list.for_host(Some("host7.example"), &[]).count(), 1);
        assert_eq!(list.for_host(Some("a.b.zone7.example"), &[]).count(), 1);
        assert_eq!(list.for_host(Some("nobody.test"), &[]).count(), 0);
    }

    /// Prints the cost of a request with few rules and with many.
    #[test]
    fn the_time_of_a_question() {
        use crate::policy::{Operation, Policy, Rules, Target};
        let rules = |count: u32| {
            (0..count).fold(Rules::deny_all(), |rules, n| {
                let ip = std::net::Ipv4Addr::from(n << 8);
                let rules = rules.allow(&format!("{ip}/{}", 24 + n % 9)).unwrap();
                rules.deny(&format!("*.zone{n}.example")).unwrap()
            })
        };
        let address: std::net::SocketAddr = "203.0.113.9:80".parse().unwrap();
        for count in [10, 10_000, 100_000] {
            let rules = rules(count);
            let time = |target: Target<'_>| {
                let start = std::time::Instant::now();
                for _ in 0..1000 {
                    assert!(rules.check(Operation::Connect, &target).is_err());
                }
                start.elapsed() / 1000
            };
            let by_address = time(Target::address(address));
            let by_name = time(Target::name("a.b.c.nobody.test", Some(80)));
            println!("{count} rules: an address in {by_address:?}, a name in {by_name:?}");
        }
    }
}
