//! Rule lists, which serve nearly every host.
//!
//! [`Rule`] documents the grammar.
//!
//! | file | holds |
//! |---|---|
//! | `rule`, `builder`, `text` | the public types: one rule, methods that build a list, lists as text |
//! | `parse`, `parse_host`, `cursor` | read a rule into a `pattern`, and tell where an error is |
//! | `error` | the public error of a rule's text |
//! | `pattern`, `operations`, `ports` | the parts of a rule |
//! | `families`, `functions`, `options`, `unix` | the targets of rules that are no hosts |
//! | `request` | reads a script's request |
//! | `index` | a list that finds the rules for a host |
//! | `eval`, `describe` | compare a request with the rules, and write the refusal |

mod builder;
mod cursor;
mod describe;
mod error;
mod eval;
mod families;
mod functions;
mod index;
mod operations;
mod options;
mod parse;
mod parse_host;
mod pattern;
mod ports;
mod request;
mod rule;
mod text;
mod unix;

#[cfg(test)]
mod tests;

pub use error::RuleError;
pub use rule::Rule;

use index::List;

/// A list of rules for what scripts may reach: a starting point, and rules that allow and deny.
///
/// ```
/// use rustpython_socket::{Operation, Policy, Rules, Target};
///
/// let rules = Rules::deny_all()
///     .allow("*.example.com:443")?
///     .allow("bind=127.0.0.1:8000-8999")?
///     .deny("secret.example.com")?;
///
/// let target = Target::name("www.example.com", Some(443));
/// assert!(rules.check(Operation::Connect, &target).is_ok());
///
/// let target = Target::name("secret.example.com", Some(443));
/// let denied = rules.check(Operation::Connect, &target).unwrap_err();
/// assert_eq!(
///     denied.to_string(),
///     "connect to secret.example.com:443 is denied by the rule 'secret.example.com'"
/// );
/// # Ok::<(), rustpython_socket::RuleError>(())
/// ```
///
/// [`Rule`] says how a rule is written. The order of the rules does not matter, and a
/// rule that denies beats all that allow. A list can also be read from text
/// ([`FromStr`](std::str::FromStr)), such as a line of a configuration or a file, or
/// collected from rules that allow.
///
/// # Names and addresses
///
/// A name is checked before it is looked up, and then each address that the look-up
/// gives. Rules for addresses and subnets do not match names, because the addresses are
/// not known yet, and the look-up itself can carry data out. So a name needs a rule by
/// name, `*` or `:port`.
///
/// - A host that is a number (`2130706433`, `0x7f.1`) is checked and used as the
///   address that it means. A host that ends in a dot is a name.
/// - Names below `localhost` lead to loopback without asking a name server.
/// - Any rule that allows the name, for any operation and port, allows the look-up.
///   Rules for `bind` alone on every host are the exception.
/// - `resolve=` rules also allow the look-up of `connect((name, port))`; then each
///   address needs a rule of its own.
/// - An address that an allowed name led to is open on the ports of the rule, unless a
///   rule denies the address. The owner of the name can make it lead to addresses of
///   the host's own network; deny those that matter.
/// - A rule that denies a name does not deny its addresses, and they may have
///   other names. To keep scripts from a machine, deny its addresses.
/// - A rule that denies ports does not deny look-ups that concern no port.
/// - Connecting to `0.0.0.0` or `::` connects to loopback and is checked as loopback.
///   Binding to them means listening on all addresses of the machine, and needs a rule for
///   them. A rule that denies `bind=` to any address of the IP version also denies it, `::`
///   for both versions. A rule without operations does not: `deny 10.0.0.5` leaves servers
///   on `0.0.0.0` alone.
///
/// # What needs no rule
///
/// Unless a `socket:` rule denies it, scripts can create sockets of IPv4, IPv6 and
/// AF_UNIX, because their addresses are checked later. Exceptions are raw sockets and, for
/// IPv4 and IPv6, protocols other than TCP, UDP, UDP-Lite and the ICMP of datagram sockets:
/// with SCTP and MPTCP the peer names further addresses, which are not checked. They need
/// `socket:raw` and `socket:inet` or `socket:inet6`. Sockets of vsock can be created if a
/// rule allows any vsock address. Other families need a `socket:` rule, which then also
/// covers their addresses; a rule that denies a family always covers its addresses, too.
///
/// Options that concern a socket alone, such as `SO_KEEPALIVE` or `TCP_NODELAY`, can be
/// read and set, and sent as ancillary data. All others need an `option:` rule, such as
/// `option:SO_BINDTODEVICE` or `option:6:200`, because they redirect traffic, carry
/// addresses, hand out descriptors, reach memory, change privileges, or are unknown.
/// Joining or leaving a multicast group needs a rule to bind to the group's address:
/// `bind=239.1.2.3`.
///
/// `allow_all()` with a rule that denies an address is as strict with options, raw
/// sockets, packet sockets and such protocols, because these could circumvent that rule. So
/// is a rule that denies one of the families IPv4, IPv6, AF_UNIX and vsock, or all. Among the
/// functions that concern the machine, only those that change it or list its interfaces
/// need a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Rules {
    base: Base,
    allow: List,
    deny: List,
}

/// The starting point of a list: everything that is allowed without any rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Everything,
    Nothing,
    Loopback,
}
