//! Address families, socket types, and the arguments of shutdown().

use super::{Integer, integers};
use crate::sockaddr::family;

/// `linux/socket.h`; AF_ROUTE is BSD's name for AF_NETLINK.
pub(super) const FAMILIES: &[Integer] = integers! {
    libc {
        AF_ALG AF_APPLETALK AF_ASH AF_ATMPVC AF_ATMSVC AF_AX25 AF_BLUETOOTH AF_BRIDGE AF_CAN
        AF_DECnet AF_ECONET AF_INET AF_INET6 AF_IPX AF_IRDA AF_KEY AF_LLC AF_NETBEUI AF_NETLINK
        AF_NETROM AF_PACKET AF_PPPOX AF_RDS AF_ROSE AF_ROUTE AF_SECURITY AF_SNA AF_TIPC AF_UNIX
        AF_UNSPEC AF_VSOCK AF_WANPIPE AF_X25 PF_CAN PF_PACKET PF_RDS
    }
    own {
        AF_QIPCRTR = family::AF_QIPCRTR as i64,
    }
};

/// `linux/net.h`; two of them are flags, to be added to a type.
pub(super) const KINDS: &[Integer] = integers! {
    libc {
        SOCK_CLOEXEC SOCK_DGRAM SOCK_NONBLOCK SOCK_RAW SOCK_RDM SOCK_SEQPACKET SOCK_STREAM
    }
};

/// `sys/socket.h`
pub(super) const SHUTDOWN: &[Integer] = integers! {
    libc { SHUT_RD SHUT_RDWR SHUT_WR }
};
