//! Families beside the internet: packets, netlink, virtual machines, TIPC and
//! the kernel's cryptography.

use super::{Integer, integers};
use crate::sockaddr::family;

/// `linux/if_packet.h`, `linux/if_ether.h` and, for ETHERTYPE_*, `net/ethernet.h`
pub(super) const PACKET: &[Integer] = integers! {
    libc {
        ETH_P_ALL PACKET_BROADCAST PACKET_HOST PACKET_LOOPBACK PACKET_MULTICAST PACKET_OTHERHOST
        PACKET_OUTGOING
    }
    own {
        ETHERTYPE_ARP = 0x0806,
        ETHERTYPE_IP = 0x0800,
        ETHERTYPE_IPV6 = 0x86dd,
        ETHERTYPE_VLAN = 0x8100,
        PACKET_FASTROUTE = 6,
    }
};

/// `linux/netlink.h`
pub(super) const NETLINK: &[Integer] = integers! {
    libc {
        NETLINK_CRYPTO NETLINK_DNRTMSG NETLINK_FIREWALL NETLINK_IP6_FW NETLINK_NFLOG NETLINK_ROUTE
        NETLINK_USERSOCK NETLINK_XFRM
    }
};

/// `linux/vm_sockets.h`
pub(super) const VSOCK: &[Integer] = integers! {
    libc { VMADDR_CID_ANY VMADDR_CID_HOST VMADDR_CID_LOCAL VMADDR_PORT_ANY }
    own {
        IOCTL_VM_SOCKETS_GET_LOCAL_CID = 0x7b9,
        SO_VM_SOCKETS_BUFFER_MAX_SIZE = 2,
        SO_VM_SOCKETS_BUFFER_MIN_SIZE = 1,
        SO_VM_SOCKETS_BUFFER_SIZE = 0,
        VM_SOCKETS_INVALID_VERSION = 0xffff_ffff,
    }
};

/// `linux/tipc.h`; TIPC_WAIT_FOREVER is ~0 there, -1 in Python.
pub(super) const TIPC: &[Integer] = integers! {
    libc {}
    own {
        TIPC_ADDR_ID = family::TIPC_ADDR_ID as i64,
        TIPC_ADDR_NAME = family::TIPC_ADDR_NAME as i64,
        TIPC_ADDR_NAMESEQ = family::TIPC_ADDR_NAMESEQ as i64,
        TIPC_CFG_SRV = 0,
        TIPC_CLUSTER_SCOPE = family::TIPC_CLUSTER_SCOPE as i64,
        TIPC_CONN_TIMEOUT = 130,
        TIPC_CRITICAL_IMPORTANCE = 3,
        TIPC_DEST_DROPPABLE = 129,
        TIPC_HIGH_IMPORTANCE = 2,
        TIPC_IMPORTANCE = 127,
        TIPC_LOW_IMPORTANCE = 0,
        TIPC_MEDIUM_IMPORTANCE = 1,
        TIPC_NODE_SCOPE = 3,
        TIPC_PUBLISHED = 1,
        TIPC_SRC_DROPPABLE = 128,
        TIPC_SUBSCR_TIMEOUT = 3,
        TIPC_SUB_CANCEL = 4,
        TIPC_SUB_PORTS = 1,
        TIPC_SUB_SERVICE = 2,
        TIPC_TOP_SRV = 1,
        TIPC_WAIT_FOREVER = -1,
        TIPC_WITHDRAWN = 2,
        TIPC_ZONE_SCOPE = 1,
    }
};

/// `linux/if_alg.h`; ALG_OP_SIGN, ALG_OP_VERIFY and ALG_SET_PUBKEY never
/// entered it, but CPython has them.
pub(super) const ALG: &[Integer] = integers! {
    libc {
        ALG_OP_DECRYPT ALG_OP_ENCRYPT ALG_SET_AEAD_ASSOCLEN ALG_SET_AEAD_AUTHSIZE ALG_SET_IV
        ALG_SET_KEY ALG_SET_OP
    }
    own {
        ALG_OP_SIGN = 2,
        ALG_OP_VERIFY = 3,
        ALG_SET_PUBKEY = 6,
    }
};

/// `linux/rds.h`
pub(super) const RDS: &[Integer] = integers! {
    libc {}
    own {
        RDS_CANCEL_SENT_TO = 1,
        RDS_CMSG_RDMA_ARGS = 1,
        RDS_CMSG_RDMA_DEST = 2,
        RDS_CMSG_RDMA_MAP = 3,
        RDS_CMSG_RDMA_STATUS = 4,
        RDS_CONG_MONITOR = 6,
        RDS_FREE_MR = 3,
        RDS_GET_MR = 2,
        RDS_GET_MR_FOR_DEST = 7,
        RDS_RDMA_DONTWAIT = 0x0010,
        RDS_RDMA_FENCE = 0x0002,
        RDS_RDMA_INVALIDATE = 0x0004,
        RDS_RDMA_NOTIFY_ME = 0x0020,
        RDS_RDMA_READWRITE = 0x0001,
        RDS_RDMA_SILENT = 0x0040,
        RDS_RDMA_USE_ONCE = 0x0008,
        RDS_RECVERR = 5,
    }
};

/// Option levels of AppleTalk, AX.25, IPX, NET/ROM and ROSE, from `netatalk/at.h`,
/// `netax25/ax25.h`, `netipx/ipx.h`, `netrom/netrom.h` and `netrose/rose.h`; IPX_TYPE
/// is an option of IPX.
pub(super) const OLD_LEVELS: &[Integer] = integers! {
    libc {}
    own {
        IPX_TYPE = 1,
        SOL_ATALK = 258,
        SOL_AX25 = 257,
        SOL_IPX = 256,
        SOL_NETROM = 259,
        SOL_ROSE = 260,
    }
};
