//! Controller area networks.

use super::{Integer, integers};

/// `linux/can.h` and `linux/can/raw.h`
pub(super) const CAN: &[Integer] = integers! {
    libc {
        CAN_BCM CAN_EFF_FLAG CAN_EFF_MASK CAN_ERR_FLAG CAN_ERR_MASK CAN_ISOTP CAN_J1939 CAN_RAW
        CAN_RAW_ERR_FILTER CAN_RAW_FD_FRAMES CAN_RAW_FILTER CAN_RAW_JOIN_FILTERS CAN_RAW_LOOPBACK
        CAN_RAW_RECV_OWN_MSGS CAN_RTR_FLAG CAN_SFF_MASK
    }
};

/// `linux/can/bcm.h`, where the names lack the prefix
pub(super) const BCM: &[Integer] = integers! {
    libc {}
    own {
        CAN_BCM_TX_SETUP = 1,
        CAN_BCM_TX_DELETE = 2,
        CAN_BCM_TX_READ = 3,
        CAN_BCM_TX_SEND = 4,
        CAN_BCM_RX_SETUP = 5,
        CAN_BCM_RX_DELETE = 6,
        CAN_BCM_RX_READ = 7,
        CAN_BCM_TX_STATUS = 8,
        CAN_BCM_TX_EXPIRED = 9,
        CAN_BCM_RX_STATUS = 10,
        CAN_BCM_RX_TIMEOUT = 11,
        CAN_BCM_RX_CHANGED = 12,
        CAN_BCM_SETTIMER = 0x0001,
        CAN_BCM_STARTTIMER = 0x0002,
        CAN_BCM_TX_COUNTEVT = 0x0004,
        CAN_BCM_TX_ANNOUNCE = 0x0008,
        CAN_BCM_TX_CP_CAN_ID = 0x0010,
        CAN_BCM_RX_FILTER_ID = 0x0020,
        CAN_BCM_RX_CHECK_DLC = 0x0040,
        CAN_BCM_RX_NO_AUTOTIMER = 0x0080,
        CAN_BCM_RX_ANNOUNCE_RESUME = 0x0100,
        CAN_BCM_TX_RESET_MULTI_IDX = 0x0200,
        CAN_BCM_RX_RTR_FRAME = 0x0400,
        CAN_BCM_CAN_FD_FRAME = 0x0800,
    }
};

/// `linux/can/j1939.h`
pub(super) const J1939: &[Integer] = integers! {
    libc {
        J1939_EE_INFO_NONE J1939_EE_INFO_TX_ABORT J1939_FILTER_MAX J1939_IDLE_ADDR
        J1939_MAX_UNICAST_ADDR J1939_NLA_BYTES_ACKED J1939_NLA_PAD J1939_NO_ADDR J1939_NO_NAME
        J1939_NO_PGN J1939_PGN_ADDRESS_CLAIMED J1939_PGN_ADDRESS_COMMANDED J1939_PGN_MAX
        J1939_PGN_PDU1_MAX J1939_PGN_REQUEST SCM_J1939_DEST_ADDR SCM_J1939_DEST_NAME
        SCM_J1939_ERRQUEUE SCM_J1939_PRIO SO_J1939_ERRQUEUE SO_J1939_FILTER SO_J1939_PROMISC
        SO_J1939_SEND_PRIO
    }
};
