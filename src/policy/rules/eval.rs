//! Evaluates a script's request against a rule list.

use super::describe::Described;
use super::families::Family;
use super::functions::is_harmless;
use super::operations::Effect::{self, Allow, Deny};
use super::options;
use super::pattern::{HostPattern, Pattern};
use super::ports::Ports;
use super::request::{AccessRequest, Ip, Name};
use super::{Base, Rule, Rules};
use crate::policy::Operation::{self, Bind, Connect, Resolve, Send};
use crate::policy::{Denied, Policy, Target};
use crate::sockaddr::inet::is_below_localhost;
use nix::libc;
use smallvec::SmallVec;
use std::net::IpAddr;

impl Policy for Rules {
    fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied> {
        if self.base == Base::Everything && self.deny.is_empty() {
            return Ok(());
        }
        if let Target::Address {
            address, known_as, ..
        } = target
        {
            let allowed = |name: &&str| {
                let request = AccessRequest::address(operation, address, Some(name));
                self.eval(operation, &request).is_ok()
            };
            if known_as.iter().any(allowed) {
                return Ok(());
            }
        }
        let request = AccessRequest::new(operation, target);
        self.eval(operation, &request).map_err(|rule| {
            let described = Described { operation, target };
            Denied::new(match rule {
                Some(rule) => format!("{described} is denied by the rule '{rule}'"),
                None => format!("{described} is not allowed by any rule"),
            })
        })
    }
}

/// An address, and the one that it stands for.
type Addresses = SmallVec<[IpAddr; 2]>;

impl AccessRequest<'_> {
    /// Returns the name and the addresses by which the index finds rules for hosts.
    fn hosts(&self, operation: Operation) -> (Option<&str>, Addresses) {
        match self {
            Self::Name(name) => (Some(name.host), Addresses::new()),
            Self::Ip(ip) => {
                let reached = ip.stands_for(operation);
                (ip.name, reached.into_iter().chain([ip.ip]).collect())
            }
            _ => (None, Addresses::new()),
        }
    }

    fn is_denied_by(&self, operation: Operation, rule: &Rule) -> bool {
        if let Pattern::Socket(family) = rule.pattern {
            return self.is_of(family);
        }
        let covered = rule.covers(operation, Deny);
        match (self, &rule.pattern) {
            // A name is looked up whatever the operation is.
            (Self::Name(name), Pattern::Host(host, ports)) => {
                (covered || rule.covers(Resolve, Deny))
                    && ports.matches(name.port, Deny)
                    && host.matches_name(name.host, Deny)
            }
            (Self::Ip(ip), Pattern::Host(host, ports)) => {
                covered
                    && ports.matches(ip.port, Deny)
                    && (host.matches_ip(ip.ip)
                        || ip
                            .stands_for(operation)
                            .is_some_and(|ip| host.matches_ip(ip))
                        // A rule that denies an address without operations mostly means
                        // traffic with it, as with 169.254.169.254, and not servers on all
                        // addresses.
                        || rule.operations.is_some()
                            && matches!(host, HostPattern::Net(net) if ip.includes(operation, *net))
                        || ip.name.is_some_and(|name| host.matches_name(name, Deny)))
            }
            _ => self.is_matched_by(operation, rule, Deny),
        }
    }

    /// Returns true if a rule that denies `family` applies to this request.
    fn is_of(&self, family: Family) -> bool {
        let own = |number: i32| matches!(family, Family::Any) || family == Family::Number(number);
        match self {
            Self::Socket(socket) => socket.is_denied_by(family),
            // An IPv4-mapped address belongs to both families.
            Self::Ip(ip) => own(ip.family) || ip.ip.is_ipv4() && own(libc::AF_INET),
            Self::Unix(_) => own(libc::AF_UNIX),
            Self::Vsock { .. } => own(libc::AF_VSOCK),
            Self::Family(number) => own(*number),
            _ => false,
        }
    }

    /// Returns true if the rule matches. For targets that rules that allow and rules that
    /// deny match in the same way.
    fn is_matched_by(&self, operation: Operation, rule: &Rule, effect: Effect) -> bool {
        let covered = rule.covers(operation, effect);
        match (self, &rule.pattern) {
            (Self::Unix(address), Pattern::Unix(pattern)) => covered && pattern.matches(address),
            (Self::Vsock { cid, port }, Pattern::Vsock { cid: own, ports }) => {
                covered && own.is_none_or(|own| own == *cid) && ports.matches(Some(*port), effect)
            }
            (Self::Option { level, number }, Pattern::Option(pattern)) => {
                pattern.matches(*level, *number)
            }
            (Self::Function(name), Pattern::System(own)) => own.is_none_or(|own| own == *name),
            (Self::Descriptor(number), Pattern::Descriptor(own)) => {
                own.is_none_or(|own| own == *number)
            }
            _ => false,
        }
    }
}

impl Rules {
    /// Allows the request. The error is the rule that denies it, or `None` if no rule
    /// allows it.
    fn eval(&self, operation: Operation, request: &AccessRequest<'_>) -> Result<(), Option<&Rule>> {
        if let Some(rule) = self.denies(operation, request) {
            return Err(Some(rule));
        }
        let is_open = self.base == Base::Everything && !self.is_way_around(request);
        if is_open || self.allows(operation, request) {
            Ok(())
        } else {
            Err(None)
        }
    }

    /// Returns the first rule that denies the request.
    fn denies(&self, operation: Operation, request: &AccessRequest<'_>) -> Option<&Rule> {
        let denied = |rule: &&Rule| request.is_denied_by(operation, rule);
        let (name, addresses) = request.hosts(operation);
        let of_host = match (name, addresses.as_slice()) {
            (None, []) => None,
            // Binding to it also means addresses by which the index finds no rule.
            (_, [ip]) if operation == Bind && ip.is_unspecified() => self.deny.iter().find(denied),
            (name, addresses) => self.deny.for_host(name, addresses).find(denied),
        };
        let other = self.deny.others().find(denied);
        let place = |rule: &Rule| self.deny.iter().position(|own| std::ptr::eq(own, rule));
        match (of_host, other) {
            (Some(host), Some(other)) if place(other) < place(host) => Some(other),
            (host, other) => host.or(other),
        }
    }

    /// Returns true for requests by which a script could reach a denied address without a
    /// check of the address: options, sockets whose headers the script writes, and
    /// protocols by which the peer names further addresses.
    fn is_way_around(&self, request: &AccessRequest<'_>) -> bool {
        let is_wide = match request {
            AccessRequest::Option { .. } => true,
            AccessRequest::Socket(socket) => {
                socket.family == libc::AF_PACKET || socket.is_inet() && !socket.is_ordinary()
            }
            _ => false,
        };
        let denies_address = |rule: &Rule| match rule.pattern {
            Pattern::Host(..) | Pattern::Unix(_) | Pattern::Vsock { .. } => true,
            Pattern::Socket(family) => family.has_addresses(),
            _ => false,
        };
        // Nearly always the first rule denies an address.
        is_wide && self.deny.iter().any(denies_address)
    }

    /// Returns true if the base or a rule allows the request. `denies` has been asked
    /// before.
    fn allows(&self, operation: Operation, request: &AccessRequest<'_>) -> bool {
        match request {
            AccessRequest::Name(name) => self.allows_name(operation, name),
            AccessRequest::Ip(ip) if operation == Resolve => self.allows_answer(ip),
            AccessRequest::Ip(ip) => self.allows_ip(operation, ip),
            AccessRequest::Family(number) => self.allow.others().any(|rule| {
                let Pattern::Socket(family) = rule.pattern else {
                    return false;
                };
                family == Family::Any || family == Family::Number(*number)
            }),
            AccessRequest::Socket(socket) if socket.is_ordinary() => true,
            AccessRequest::Socket(socket) => self.allow.others().any(|rule| match rule.pattern {
                Pattern::Socket(family) => socket.is_allowed_by(family),
                Pattern::Vsock { .. } => socket.family == libc::AF_VSOCK,
                _ => false,
            }),
            AccessRequest::Option { level, number } if options::is_ordinary(*level, *number) => {
                true
            }
            AccessRequest::Function(name) if is_harmless(name) => true,
            _ => self
                .allow
                .others()
                .any(|rule| request.is_matched_by(operation, rule, Allow)),
        }
    }

    fn allows_name(&self, operation: Operation, name: &Name<'_>) -> bool {
        let used = matches!(operation, Connect | Bind | Send | Resolve);
        self.base == Base::Loopback && used && is_localhost(name.host)
            || self.has_rule_for_name(operation, name)
    }

    fn has_rule_for_name(&self, operation: Operation, name: &Name<'_>) -> bool {
        self.host_rules(Some(name.host), &[])
            .any(|(rule, host, ports)| {
                let fits = match operation {
                    Resolve => opens_look_ups(rule, host),
                    // Each address that the look-up gives will be checked, too.
                    _ => {
                        (rule.covers(operation, Allow) || rule.covers(Resolve, Allow))
                            && ports.matches(name.port, Allow)
                    }
                };
                fits && host.matches_name(name.host, Allow)
            })
    }

    fn allows_ip(&self, operation: Operation, ip: &Ip<'_>) -> bool {
        let reached = ip.stands_for(operation).unwrap_or(ip.ip);
        self.allows_address(operation, reached, ip.port)
            || self
                .host_rules(ip.name, &[ip.ip])
                .any(|(rule, host, ports)| {
                    rule.covers(operation, Allow)
                    && ports.matches(ip.port, Allow)
                    // A rule that names the unspecified address allows it.
                    && (ip.ip.is_unspecified() && host.is_exactly(ip.ip)
                        || ip.name.is_some_and(|name| host.matches_name(name, Allow)))
                })
    }

    fn allows_address(&self, operation: Operation, ip: IpAddr, port: Option<u32>) -> bool {
        let used = matches!(operation, Connect | Bind | Send);
        self.base == Base::Loopback && used && ip.is_loopback()
            || self.host_rules(None, &[ip]).any(|(rule, host, ports)| {
                rule.covers(operation, Allow) && ports.matches(port, Allow) && host.matches_ip(ip)
            })
    }

    /// Returns true if scripts may see an address from a look-up, or look up the name of an
    /// address.
    fn allows_answer(&self, ip: &Ip<'_>) -> bool {
        if let Some(host) = ip.name {
            let name = Name {
                host,
                port: ip.port,
            };
            if self.has_rule_for_name(Resolve, &name) {
                return true;
            }
        }
        let unspecified = ip.ip.is_unspecified();
        if self.base == Base::Loopback && (ip.ip.is_loopback() || unspecified) {
            return true;
        }
        let reached = ip.stands_for(Connect);
        let addresses: Addresses = reached.into_iter().chain([ip.ip]).collect();
        self.host_rules(None, &addresses).any(|(rule, host, _)| {
            if unspecified {
                // The unspecified address is looked up to listen, or to reach loopback. The
                // look-up asks no other machine.
                host.matches_ip(ip.ip) || reached.is_some_and(|ip| host.matches_ip(ip))
            } else {
                opens_look_ups(rule, host) && host.matches_ip(ip.ip)
            }
        })
    }

    /// Returns rules that allow hosts, among them all that match this name or these
    /// addresses.
    fn host_rules(
        &self,
        name: Option<&str>,
        addresses: &[IpAddr],
    ) -> impl Iterator<Item = (&Rule, &HostPattern, Ports)> {
        let rules = self.allow.for_host(name, addresses);
        rules.filter_map(|rule| match &rule.pattern {
            Pattern::Host(host, ports) => Some((rule, host, *ports)),
            _ => None,
        })
    }
}

/// Returns true if a rule that allows a host also allows looking it up. Every rule
/// does, except a rule only for `bind` on every host, because it must not open the
/// look-up of all names.
fn opens_look_ups(rule: &Rule, host: &HostPattern) -> bool {
    let other = [Connect, Send, Resolve];
    !host.is_everyone() || other.into_iter().any(|other| rule.covers(other, Allow))
}

/// Returns true for `localhost` and the names below it (RFC 6761, 6.3). A caller has
/// removed one final dot; a name that still ends in a dot is not valid.
fn is_localhost(name: &str) -> bool {
    let below = is_below_localhost(name.as_bytes()) && !name.ends_with('.');
    below || name.eq_ignore_ascii_case("localhost")
}
