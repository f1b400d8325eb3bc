//! The rule list that serves nearly every host.
//!
//! [`Rule`] documents the grammar. A rule is read by `parse` and `parse_host`
//! into a `pattern`; `request` reads what a script asks; `eval` compares them.

mod audit;
mod builder;
mod describe;
mod error;
mod eval;
mod families;
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

pub use audit::AuditOnly;
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
/// [`Rule`] says how a rule is written. The order of the rules does not matter,
/// and one that denies beats all that allow. A list can also be read from text
/// ([`FromStr`](std::str::FromStr)), such as a line of a configuration or a file, and
/// collected from rules, which allow then.
///
/// # Names and addresses
///
/// A name is checked before it is looked up, and so is each address that the look-up
/// gives. Rules for addresses and subnets do not match names: what a
/// name leads to is not known yet, and the request itself can carry data out.
/// So a name takes a rule by name, `*` or `:port`.
///
/// - A host that is a number (`2130706433`, `0x7f.1`) is the address it means, and
///   is used as that address. One that ends in a dot is a name.
/// - Names below `localhost` lead to loopback, and nobody is asked for them.
/// - A look-up is allowed by any rule that allows the name for any operation,
///   on whatever port. Of the rules that are for every host, those for `bind`
///   alone open no look-ups.
/// - `resolve=` rules allow the look-up that `connect((name, port))` makes too;
///   the address it gives needs a rule of its own then.
/// - An address that an allowed name led to is open, on the ports of the rule
///   and unless a rule denies it. Whoever runs the name can have it lead to
///   addresses of the host's own network; deny those that matter.
/// - A rule that denies a name does not deny its addresses, and they may have
///   other names. To keep scripts from a machine, deny its addresses.
/// - A rule that denies ports does not deny look-ups that concern no port.
/// - Connecting to `0.0.0.0` or `::` connects to loopback and is checked as that.
///   To bind to them is to listen on all interfaces, and takes a rule for them.
///
/// # What needs no rule
///
/// Unless a `socket:` rule denies it, scripts can create sockets of IPv4, IPv6
/// and AF_UNIX, raw ones apart: what they reach is checked when they reach it. Sockets
/// of vsock can be created if a rule allows any vsock address. Other families
/// need a `socket:` rule, which is then for their addresses too; a rule that
/// denies a family is always for its addresses as well.
///
/// Options that concern a socket alone, such as `SO_KEEPALIVE` or `TCP_NODELAY`,
/// can be read and set, and sent as ancillary data. All others need an `option:`
/// rule, such as `option:SO_BINDTODEVICE` or `option:6:200`: they redirect traffic,
/// carry addresses, hand out descriptors, reach memory, change privileges, or are
/// not known here. To join or leave a multicast group takes what it takes to bind
/// to the group's address: `bind=239.1.2.3`.
///
/// `allow_all()` with a rule that denies an address is as strict with options, raw sockets
/// and packet sockets, because these could go around that rule. Of the functions that
/// concern the machine, only those that change it or list its interfaces need a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Rules {
    base: Base,
    allow: List,
    deny: List,
}

/// The starting point: what is allowed without any rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Everything,
    Nothing,
    Loopback,
}
