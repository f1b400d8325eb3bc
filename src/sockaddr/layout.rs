//! Offsets of the fields in the structs of socket addresses.
//!
//! The compiler computes them: from libc's structs, or from copies here of the kernel's
//! declarations that libc lacks.

use super::SockAddr;
use nix::libc;
use std::mem::offset_of;

/// Declares a module for one struct: the offset of each field, and the size.
macro_rules! layouts {
    ($($(#[$doc:meta])* $module:ident: $struct:ty { $($name:ident = $($field:ident).+,)* })*) => {
        $(
            $(#[$doc])*
            pub(crate) mod $module {
                use super::*;
                $(pub(crate) const $name: usize = offset_of!($struct, $($field).+);)*
                #[allow(dead_code, reason = "some addresses have a length of their own")]
                pub(crate) const SIZE: usize = size_of::<$struct>();
                const _: () = assert!(SIZE <= SockAddr::CAPACITY);
            }
        )*
    };
}

layouts! {
    /// ip(7).
    inet: libc::sockaddr_in { PORT = sin_port, ADDRESS = sin_addr, }
    /// ipv6(7).
    inet6: libc::sockaddr_in6 {
        PORT = sin6_port,
        FLOWINFO = sin6_flowinfo,
        ADDRESS = sin6_addr,
        SCOPE_ID = sin6_scope_id,
    }
    /// unix(7).
    unix: libc::sockaddr_un { PATH = sun_path, }
    /// vsock(7), linux/vm_sockets.h.
    vsock: libc::sockaddr_vm { PORT = svm_port, CID = svm_cid, }
    /// netlink(7), linux/netlink.h.
    netlink: libc::sockaddr_nl { PID = nl_pid, GROUPS = nl_groups, }
    /// packet(7), linux/if_packet.h.
    packet: libc::sockaddr_ll {
        PROTOCOL = sll_protocol,
        INDEX = sll_ifindex,
        HARDWARE_TYPE = sll_hatype,
        PACKET_TYPE = sll_pkttype,
        HARDWARE_LEN = sll_halen,
        HARDWARE = sll_addr,
    }
    /// linux/can.h.
    can: libc::sockaddr_can {
        INDEX = can_ifindex,
        RX_ID = can_addr.tp.rx_id,
        TX_ID = can_addr.tp.tx_id,
        NAME = can_addr.j1939.name,
        PGN = can_addr.j1939.pgn,
        ADDR = can_addr.j1939.addr,
    }
    /// linux/if_alg.h.
    alg: libc::sockaddr_alg {
        TYPE = salg_type,
        FEAT = salg_feat,
        MASK = salg_mask,
        NAME = salg_name,
    }
    /// linux/tipc.h.
    tipc: own::sockaddr_tipc {
        ADDRESS_TYPE = addrtype,
        SCOPE = scope,
        FIRST = first,
        SECOND = second,
        THIRD = third,
    }
    /// linux/qrtr.h.
    qipcrtr: own::sockaddr_qrtr { NODE = sq_node, PORT = sq_port, }
    /// bluetooth/l2cap.h.
    l2cap: own::sockaddr_l2 {
        PSM = l2_psm,
        BDADDR = l2_bdaddr,
        CID = l2_cid,
        BDADDR_TYPE = l2_bdaddr_type,
    }
    /// bluetooth/rfcomm.h.
    rfcomm: own::sockaddr_rc { BDADDR = rc_bdaddr, CHANNEL = rc_channel, }
    /// bluetooth/hci_sock.h.
    hci: own::sockaddr_hci { DEV = hci_dev, CHANNEL = hci_channel, }
    /// bluetooth/sco.h.
    sco: own::sockaddr_sco { BDADDR = sco_bdaddr, }
}

/// The kernel's declarations that libc lacks.
#[allow(dead_code, non_camel_case_types, reason = "only their layout is used")]
mod own {
    use nix::libc::sa_family_t;

    type bdaddr_t = [u8; 6];

    /// The last three fields are a union of the address types, each of three numbers.
    #[repr(C)]
    pub(super) struct sockaddr_tipc {
        family: sa_family_t,
        pub(super) addrtype: u8,
        pub(super) scope: i8,
        pub(super) first: u32,
        pub(super) second: u32,
        pub(super) third: u32,
    }

    #[repr(C)]
    pub(super) struct sockaddr_qrtr {
        sq_family: sa_family_t,
        pub(super) sq_node: u32,
        pub(super) sq_port: u32,
    }

    #[repr(C)]
    pub(super) struct sockaddr_l2 {
        l2_family: sa_family_t,
        pub(super) l2_psm: u16,
        pub(super) l2_bdaddr: bdaddr_t,
        pub(super) l2_cid: u16,
        pub(super) l2_bdaddr_type: u8,
    }

    #[repr(C)]
    pub(super) struct sockaddr_rc {
        rc_family: sa_family_t,
        pub(super) rc_bdaddr: bdaddr_t,
        pub(super) rc_channel: u8,
    }

    #[repr(C)]
    pub(super) struct sockaddr_hci {
        hci_family: sa_family_t,
        pub(super) hci_dev: u16,
        pub(super) hci_channel: u16,
    }

    #[repr(C)]
    pub(super) struct sockaddr_sco {
        sco_family: sa_family_t,
        pub(super) sco_bdaddr: bdaddr_t,
    }
}

/// Room for a path of AF_UNIX, its NUL included (unix(7)).
pub(crate) const UNIX_ROOM: usize = unix::SIZE - unix::PATH;

/// The family comes first in every struct, as a `sa_family_t`.
pub(crate) const FAMILY_SIZE: usize = size_of::<libc::sa_family_t>();

const _: () = {
    assert!(offset_of!(libc::sockaddr_storage, ss_family) == 0 && FAMILY_SIZE == 2);
    // `SockAddr` has one place for the port of both.
    assert!(inet::PORT == inet6::PORT);
    assert!(unix::PATH == FAMILY_SIZE && UNIX_ROOM == 108);
    assert!(vsock::PORT == 4 && vsock::CID == 8 && vsock::SIZE == 16);
    assert!(can::RX_ID == 8 && can::NAME == 8 && can::SIZE == 24);
    assert!(alg::NAME == 24 && alg::SIZE == 88);
    assert!(tipc::FIRST == 4 && tipc::SIZE == 16);
    assert!(l2cap::BDADDR_TYPE == 12 && l2cap::SIZE == 14);
    assert!(rfcomm::CHANNEL == 8 && rfcomm::SIZE == 10);
    assert!(hci::SIZE == 6 && sco::SIZE == 8);
};
