//! Option levels, the options of sockets, TCP and UDP, ancillary data and
//! message flags.

use super::{Integer, integers};

/// `linux/socket.h`; Bluetooth's are with Bluetooth.
pub(super) const LEVELS: &[Integer] = integers! {
    libc {
        SOL_ALG SOL_CAN_BASE SOL_CAN_RAW SOL_IP SOL_RDS SOL_SOCKET SOL_TCP SOL_TIPC SOL_UDP
    }
};

/// `asm-generic/socket.h`, `linux/socket.h` and, for SO_ORIGINAL_DST,
/// `linux/netfilter_ipv4.h`.
pub(super) const SOCKET: &[Integer] = integers! {
    libc {
        SOMAXCONN SO_ACCEPTCONN SO_BINDTODEVICE SO_BINDTOIFINDEX SO_BROADCAST SO_DEBUG SO_DOMAIN
        SO_DONTROUTE SO_ERROR SO_INCOMING_CPU SO_KEEPALIVE SO_LINGER SO_MARK SO_OOBINLINE
        SO_ORIGINAL_DST SO_PASSCRED SO_PASSPIDFD SO_PASSSEC SO_PEERCRED SO_PEERPIDFD SO_PEERSEC
        SO_PRIORITY SO_PROTOCOL SO_RCVBUF SO_RCVLOWAT SO_RCVTIMEO SO_REUSEADDR SO_REUSEPORT
        SO_SNDBUF SO_SNDLOWAT SO_SNDTIMEO SO_TIMESTAMPNS SO_TXTIME SO_TYPE SO_ZEROCOPY
    }
    own {
        SO_PASSRIGHTS = 83,
    }
};

/// `linux/tcp.h`
pub(super) const TCP: &[Integer] = integers! {
    libc {
        TCP_CC_INFO TCP_CONGESTION TCP_CORK TCP_DEFER_ACCEPT TCP_FASTOPEN TCP_FASTOPEN_CONNECT
        TCP_FASTOPEN_KEY TCP_FASTOPEN_NO_COOKIE TCP_INFO TCP_INQ TCP_KEEPCNT TCP_KEEPIDLE
        TCP_KEEPINTVL TCP_LINGER2 TCP_MAXSEG TCP_MD5SIG TCP_MD5SIG_EXT TCP_NODELAY
        TCP_NOTSENT_LOWAT TCP_QUEUE_SEQ TCP_QUICKACK TCP_REPAIR TCP_REPAIR_OPTIONS
        TCP_REPAIR_QUEUE TCP_REPAIR_WINDOW TCP_SAVED_SYN TCP_SAVE_SYN TCP_SYNCNT TCP_THIN_DUPACK
        TCP_THIN_LINEAR_TIMEOUTS TCP_TIMESTAMP TCP_ULP TCP_USER_TIMEOUT TCP_WINDOW_CLAMP
        TCP_ZEROCOPY_RECEIVE
    }
    own {
        TCP_TX_DELAY = 37,
    }
};

/// `linux/udp.h`; UDP-Lite's are the kernel's `net/udplite.h`.
pub(super) const UDP: &[Integer] = integers! {
    libc { UDP_GRO UDP_SEGMENT }
    own {
        UDPLITE_RECV_CSCOV = 11,
        UDPLITE_SEND_CSCOV = 10,
    }
};

/// `linux/socket.h`
pub(super) const ANCILLARY: &[Integer] = integers! {
    libc { SCM_CREDENTIALS SCM_RIGHTS }
};

/// `linux/socket.h`
pub(super) const MESSAGE_FLAGS: &[Integer] = integers! {
    libc {
        MSG_CMSG_CLOEXEC MSG_CONFIRM MSG_CTRUNC MSG_DONTROUTE MSG_DONTWAIT MSG_EOR MSG_ERRQUEUE
        MSG_FASTOPEN MSG_MORE MSG_NOSIGNAL MSG_OOB MSG_PEEK MSG_TRUNC MSG_WAITALL MSG_ZEROCOPY
    }
};
