//! One rule: operations and a target.

use super::RuleError;
use super::operations::{Effect, Operations};
use super::parse;
use super::pattern::Pattern;
use crate::policy::Operation;
use std::fmt;
use std::str::FromStr;

/// One rule of [`Rules`](super::Rules): some operations on some target.
///
/// A rule is written as the target, or as operations joined by `+`, a `=` and the
/// target:
///
/// | Target | What it is for |
/// |---|---|
/// | `*` | every host, by name or address |
/// | `:443` | every host, on this port |
/// | `example.com`, `example.com:443` | this name; case and a final dot do not matter |
/// | `*.example.com:443` | all names below it, at any depth, but not `example.com` |
/// | `10.1.2.3`, `10.1.2.3:80` | an IPv4 address |
/// | `10.0.0.0/8:8000-8999` | an IPv4 subnet |
/// | `fd00::1`, `[fd00::1]:80` | an IPv6 address; with ports in brackets |
/// | `fd00::/8`, `[fd00::/8]:80` | an IPv6 subnet |
/// | `unix:/run/a.sock` | a socket by its path |
/// | `unix:/run/` | every path below a directory, at any depth |
/// | `unix:@name`, `unix:@name*` | an abstract name, or all that begin so |
/// | `unix:*` | every unix address |
/// | `vsock:2:1024`, `vsock:2`, `vsock:*:1024` | a vsock CID (or all) and port |
/// | `socket:netlink`, `socket:16` | sockets of an address family, and their addresses |
/// | `socket:inet` | sockets of IPv4 with any protocol, such as SCTP and MPTCP; not raw ones |
/// | `socket:raw` | raw sockets of IPv4 and IPv6 |
/// | `option:SO_MARK`, `option:1:36` | a socket option by name, or level and number |
/// | `system:sethostname` | a function that concerns the system |
/// | `descriptor:3` | a descriptor that is not the script's own |
///
/// Ports are a number, a range (`8000-8999`) or `*`, which is as good as none.
/// Sockets, options, functions and descriptors can be `*` as well. The
/// functions are `sethostname`, `gethostname`, `if_nameindex`,
/// `if_nametoindex`, `if_indextoname`, `getservbyname`, `getservbyport` and
/// `getprotobyname`.
///
/// | Operations | Where they can stand | What they are |
/// |---|---|---|
/// | `connect` | hosts, unix, vsock | connect to it |
/// | `bind` | hosts, unix, vsock | bind to it, listen on it |
/// | `send` | hosts, unix, vsock | send datagrams to it |
/// | `resolve` | hosts | look its name or address up |
///
/// A rule without operations that allows is for all operations except `bind`:
/// `example.com:443` lets scripts look up the host, connect and send, but not listen. A
/// rule without operations that denies is for all operations, also `bind`. Sockets,
/// options, functions and descriptors take no operations.
///
/// | Rule | Meaning where it allows |
/// |---|---|
/// | `example.com:443` | look up and connect to a server |
/// | `connect+send=10.0.0.0/8:53` | ask any DNS server of a subnet |
/// | `bind=127.0.0.1:8000-8999` | listen on some ports of loopback |
/// | `bind=0.0.0.0:8080` | listen on all interfaces |
/// | `resolve=*` | look up every name, connect to none |
///
/// International names are written in their ASCII form (`xn--bcher-kva.example`),
/// addresses in their usual form, and subnets without bits after the prefix. An
/// IPv4-mapped IPv6 address means the IPv4 address in it. An IPv6 address without
/// brackets has no port: `::1:80` is an address.
///
/// Unix paths are compared as text, after `.`, `..` and doubled slashes are removed;
/// symbolic links are not followed. A relative path matches relative rules and `unix:*`
/// only.
///
/// Printed, a rule has one spelling, which reads as the same rule:
///
/// ```
/// use rustpython_socket::Rule;
///
/// let rule: Rule = "send+connect=[::ffff:10.0.0.0/104]:53-53".parse()?;
/// assert_eq!(rule.to_string(), "connect+send=10.0.0.0/8:53");
/// assert_eq!(rule.to_string().parse(), Ok(rule));
///
/// let error = "connect=example.com:http".parse::<Rule>().unwrap_err();
/// assert_eq!(error.message(), "a port is a number");
/// # Ok::<(), rustpython_socket::RuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(super) operations: Option<Operations>,
    pub(super) pattern: Pattern,
}

impl Rule {
    /// Returns true if the rule is for this operation. For an operation that cannot be
    /// written before `=`, the target alone decides.
    pub(super) fn covers(&self, operation: Operation, effect: Effect) -> bool {
        let own = self.operations;
        own.unwrap_or_else(|| self.pattern.default_operations(effect))
            .meets(Operations::of(operation))
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        parse::rule(text)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operations) = self.operations {
            write!(f, "{operations}=")?;
        }
        self.pattern.fmt(f)
    }
}
