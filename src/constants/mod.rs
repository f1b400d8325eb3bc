//! The integers and strings of the module, in groups, and the enums that contain them.
//!
//! To add a name, add a row to its group.

mod bluetooth;
mod can;
pub(crate) mod enums;
mod families;
mod inet;
mod link;
mod options;
mod resolver;
#[cfg(test)]
pub(crate) mod testing;

use rustpython_vm::builtins::PyModule;
use rustpython_vm::{Py, PyResult, VirtualMachine};
use std::sync::OnceLock;

/// A name of the module and its value.
type Integer = (&'static str, i64);

/// Makes a table: the names that `libc` has, with its values, then the names that it
/// lacks.
macro_rules! integers {
    (libc { $($name:ident)* } $(own { $($own:ident = $value:expr,)* })?) => {
        &[
            $((stringify!($name), nix::libc::$name as i64),)*
            $($((stringify!($own), $value),)*)?
        ]
    };
}
use integers;

const GROUPS: &[&[Integer]] = &[
    families::FAMILIES,
    families::KINDS,
    families::SHUTDOWN,
    options::LEVELS,
    options::SOCKET,
    options::TCP,
    options::UDP,
    options::ANCILLARY,
    options::MESSAGE_FLAGS,
    inet::PROTOCOLS,
    inet::PORTS,
    inet::ADDRESSES,
    inet::IP,
    inet::IPV6,
    resolver::ERRORS,
    resolver::ADDRESS_INFO,
    resolver::NAME_INFO,
    link::PACKET,
    link::NETLINK,
    link::VSOCK,
    link::TIPC,
    link::ALG,
    link::RDS,
    link::OLD_LEVELS,
    can::CAN,
    can::BCM,
    can::ISOTP,
    can::J1939,
    bluetooth::PROTOCOLS,
    bluetooth::OPTIONS,
    bluetooth::HCI,
    bluetooth::L2CAP,
];

/// `errno` numbers that the module has beside its own names.
const ERRNO: &[Integer] = integers! { libc { EAGAIN EBADF EWOULDBLOCK } };

const STRINGS: &[(&str, &str)] = &[
    // net/bluetooth/bluetooth.h
    ("BDADDR_ANY", "00:00:00:00:00:00"),
    ("BDADDR_LOCAL", "00:00:00:FF:FF:FF"),
    ("_LOCALHOST", "127.0.0.1"),
    ("_LOCALHOST_V6", "::1"),
];

/// Names in `__all__` other than constants.
const EXPORTS: &[&str] = &[
    "AddressFamily",
    "CMSG_LEN",
    "CMSG_SPACE",
    "SocketKind",
    "SocketType",
    "close",
    "create_connection",
    "create_server",
    "dup",
    "error",
    "fromfd",
    "gaierror",
    "getaddrinfo",
    "getdefaulttimeout",
    "getfqdn",
    "gethostbyaddr",
    "gethostbyname",
    "gethostbyname_ex",
    "gethostname",
    "getnameinfo",
    "getprotobyname",
    "getservbyname",
    "getservbyport",
    "has_dualstack_ipv6",
    "has_ipv6",
    "herror",
    "htonl",
    "htons",
    "if_indextoname",
    "if_nameindex",
    "if_nametoindex",
    "inet_aton",
    "inet_ntoa",
    "inet_ntop",
    "inet_pton",
    "ntohl",
    "ntohs",
    "recv_fds",
    "send_fds",
    "setdefaulttimeout",
    "sethostname",
    "socket",
    "socketpair",
    "timeout",
];

/// An enum class that replaces the integers with one prefix.
pub(crate) struct Enumeration {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    prefix: &'static str,
    members: OnceLock<Vec<Integer>>,
}

/// Base class of an enumeration.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `enum.IntEnum`
    Int,
    /// `enum.IntFlag`
    Flag,
}

/// Index of AddressFamily in [`ENUMERATIONS`].
pub(crate) const ADDRESS_FAMILY: usize = 0;
/// Index of SocketKind in [`ENUMERATIONS`].
pub(crate) const SOCKET_KIND: usize = 1;

pub(crate) static ENUMERATIONS: [Enumeration; 4] = [
    Enumeration::new("AddressFamily", Kind::Int, "AF_"),
    Enumeration::new("SocketKind", Kind::Int, "SOCK_"),
    Enumeration::new("MsgFlag", Kind::Flag, "MSG_"),
    Enumeration::new("AddressInfo", Kind::Flag, "AI_"),
];

impl Enumeration {
    const fn new(name: &'static str, kind: Kind, prefix: &'static str) -> Self {
        Self {
            name,
            kind,
            prefix,
            members: OnceLock::new(),
        }
    }

    /// Returns the members in the order of their values. Of two names with one value, the
    /// first is the member and the other its alias.
    pub(crate) fn members(&self) -> &[Integer] {
        self.members.get_or_init(|| sorted(self.prefix))
    }

    /// Returns the members without the aliases.
    pub(crate) fn canonical(&self) -> impl DoubleEndedIterator<Item = Integer> {
        let members = self.members();
        let first = |at: usize| at == 0 || members[at - 1].1 != members[at].1;
        (0..members.len())
            .filter(move |&at| first(at))
            .map(move |at| members[at])
    }
}

fn rows() -> impl Iterator<Item = Integer> {
    GROUPS.iter().copied().flatten().copied()
}

fn sorted(prefix: &str) -> Vec<Integer> {
    let mut members: Vec<_> = rows().filter(|(name, _)| takes(prefix, name)).collect();
    members.sort_unstable_by_key(|&(name, value)| (value, name));
    members
}

/// Returns true if a name belongs to the enumeration of a prefix. AF_DECnet is not in
/// capitals, so CPython leaves it an integer.
fn takes(prefix: &str, name: &str) -> bool {
    name.starts_with(prefix) && !name.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// Puts the constants and `__all__` into a module, at import. The members of the enums
/// come later, by `enums::install`.
pub(crate) fn install(module: &Py<PyModule>, vm: &VirtualMachine) -> PyResult<()> {
    let dict = module.dict();
    let mut all: Vec<_> = EXPORTS
        .iter()
        .map(|name| vm.ctx.intern_str(*name))
        .collect();
    for (name, value) in rows() {
        let interned = vm.ctx.intern_str(name);
        all.push(interned);
        if !ENUMERATIONS.iter().any(|class| takes(class.prefix, name)) {
            dict.set_item(interned, vm.ctx.new_int(value).into(), vm)?;
        }
    }
    for &(name, value) in ERRNO {
        dict.set_item(vm.ctx.intern_str(name), vm.ctx.new_int(value).into(), vm)?;
    }
    for &(name, value) in STRINGS {
        let interned = vm.ctx.intern_str(name);
        if !name.starts_with('_') {
            all.push(interned);
        }
        dict.set_item(interned, vm.ctx.new_str(value).into(), vm)?;
    }
    all.sort_unstable_by_key(|name| name.as_str());
    let all = all.into_iter().map(|name| name.to_owned().into()).collect();
    dict.set_item("__all__", vm.ctx.new_list(all).into(), vm)
}

/// Puts the constants into `_socket`, where those of the enumerations are plain integers.
pub(crate) fn install_integers(module: &Py<PyModule>, vm: &VirtualMachine) -> PyResult<()> {
    let dict = module.dict();
    for (name, value) in rows() {
        dict.set_item(vm.ctx.intern_str(name), vm.ctx.new_int(value).into(), vm)?;
    }
    for &(name, value) in STRINGS {
        dict.set_item(vm.ctx.intern_str(name), vm.ctx.new_str(value).into(), vm)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constants::testing::run;

    /// CPython 3.13's constants on Linux, as a dictionary that Python can read as well.
    const CPYTHON: &str = include_str!("../../py_tests/constants.json");

    #[test]
    fn cpythons_names_have_cpythons_values() {
        run(&format!(
            "cpython = {CPYTHON}
import socket
for name, value in (cpython['integers'] | cpython['strings']).items():
    found = getattr(socket, name)
    assert found == value, (name, value, found)
assert type(socket.AF_DECnet) is type(socket.SOL_SOCKET) is int
missing = set(cpython['all']) - set(socket.__all__)
assert missing == {{'CAPI'}}, missing
assert len(set(socket.__all__)) == len(socket.__all__)
"
        ));
    }

    #[test]
    fn enums_have_cpythons_members() {
        run(&format!(
            "cpython = {CPYTHON}
import socket
more = {{'AddressFamily': {{'AF_BLUETOOTH'}}, 'MsgFlag': {{'MSG_ZEROCOPY'}}}}
for name, members in cpython['enums'].items():
    cls = getattr(socket, name)
    found = {{member.name for member in cls}}
    assert found == set(members) | more.get(name, set()), name
    aliases = {{name: m.name for name, m in cls.__members__.items() if name != m.name}}
    assert aliases == cpython['enum_aliases'][name], name
"
        ));
    }

    #[test]
    fn names_beyond_cpython_3_13() {
        run("import socket
assert socket.BDADDR_ANY == '00:00:00:00:00:00'
assert socket.BDADDR_LOCAL == '00:00:00:FF:FF:FF'
for name, value in {
    'IP_FREEBIND': 15, 'IP_RECVERR': 11, 'IP_RECVORIGDSTADDR': 20, 'IP_RECVTTL': 12,
    'IPV6_RECVERR': 25, 'SO_ORIGINAL_DST': 80, 'VMADDR_CID_LOCAL': 1, 'CAN_RAW_ERR_FILTER': 2,
    'AF_BLUETOOTH': 31, 'BTPROTO_RFCOMM': 3, 'SOL_BLUETOOTH': 274, 'BT_CODEC': 19,
    'SO_ZEROCOPY': 60, 'MSG_ZEROCOPY': 0x4000000, 'SO_TXTIME': 61, 'UDP_SEGMENT': 103,
    'UDP_GRO': 104, 'SO_TIMESTAMPNS': 35, 'SO_PASSRIGHTS': 83, 'SO_PASSPIDFD': 76,
    'SO_PEERPIDFD': 77,
}.items():
    assert getattr(socket, name) == value, name
    assert name in socket.__all__, name
");
    }

    #[test]
    fn no_name_is_written_twice() {
        let mut names: Vec<_> = rows()
            .map(|row| row.0)
            .chain(EXPORTS.iter().copied())
            .collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
