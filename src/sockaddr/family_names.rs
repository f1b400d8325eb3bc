//! Names of address families, and numbers of socket types that rules need:
//! linux/socket.h, linux/net.h.

use super::family::AF_QIPCRTR;
use nix::libc;

/// AF_KCM, AF_SMC and AF_MCTP, which libc lacks.
const AF_KCM: i32 = 41;
const AF_SMC: i32 = 43;
const AF_MCTP: i32 = 45;

/// SOCK_PACKET (linux/net.h). libc declares it deprecated, but the kernel still accepts
/// it.
pub(crate) const SOCK_PACKET: i32 = 10;

/// The bits of a socket type that are not flags (SOCK_TYPE_MASK of linux/net.h).
pub(crate) const TYPE_MASK: i32 = 0xf;

/// Families with their names: the kernel's, in lower case and without `AF_`.
const NAMES: &[(&str, i32)] = &[
    ("unspec", libc::AF_UNSPEC),
    ("unix", libc::AF_UNIX),
    ("inet", libc::AF_INET),
    ("ax25", libc::AF_AX25),
    ("ipx", libc::AF_IPX),
    ("appletalk", libc::AF_APPLETALK),
    ("netrom", libc::AF_NETROM),
    ("bridge", libc::AF_BRIDGE),
    ("atmpvc", libc::AF_ATMPVC),
    ("x25", libc::AF_X25),
    ("inet6", libc::AF_INET6),
    ("rose", libc::AF_ROSE),
    ("decnet", libc::AF_DECnet),
    ("netbeui", libc::AF_NETBEUI),
    ("security", libc::AF_SECURITY),
    ("key", libc::AF_KEY),
    ("netlink", libc::AF_NETLINK),
    ("packet", libc::AF_PACKET),
    ("ash", libc::AF_ASH),
    ("econet", libc::AF_ECONET),
    ("atmsvc", libc::AF_ATMSVC),
    ("rds", libc::AF_RDS),
    ("sna", libc::AF_SNA),
    ("irda", libc::AF_IRDA),
    ("pppox", libc::AF_PPPOX),
    ("wanpipe", libc::AF_WANPIPE),
    ("llc", libc::AF_LLC),
    ("ib", libc::AF_IB),
    ("mpls", libc::AF_MPLS),
    ("can", libc::AF_CAN),
    ("tipc", libc::AF_TIPC),
    ("bluetooth", libc::AF_BLUETOOTH),
    ("iucv", libc::AF_IUCV),
    ("rxrpc", libc::AF_RXRPC),
    ("isdn", libc::AF_ISDN),
    ("phonet", libc::AF_PHONET),
    ("ieee802154", libc::AF_IEEE802154),
    ("caif", libc::AF_CAIF),
    ("alg", libc::AF_ALG),
    ("nfc", libc::AF_NFC),
    ("vsock", libc::AF_VSOCK),
    ("kcm", AF_KCM),
    ("qipcrtr", AF_QIPCRTR),
    ("smc", AF_SMC),
    ("xdp", libc::AF_XDP),
    ("mctp", AF_MCTP),
];

/// Returns the number of the family with this name.
pub(crate) fn number(name: &str) -> Option<i32> {
    let known = NAMES.iter().find(|(known, _)| *known == name);
    known.map(|(_, number)| *number)
}

/// Returns the name of a family, if it has one.
pub(crate) fn name(number: i32) -> Option<&'static str> {
    let known = NAMES.iter().find(|(_, known)| *known == number);
    known.map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_kernels_without_a_gap() {
        for (index, (text, family)) in NAMES.iter().enumerate() {
            assert_eq!(index as i32, *family, "{text}");
            assert_eq!(number(text), Some(*family));
            assert_eq!(name(*family), Some(*text));
        }
        assert_eq!(name(99), None);
        assert_eq!(number("INET"), None);
    }
}
