//! Bluetooth. `libc` has almost none of these numbers.

use super::{Integer, integers};
use crate::sockaddr::family;

/// The kernel's `net/bluetooth/bluetooth.h`: protocols and option levels
pub(super) const PROTOCOLS: &[Integer] = integers! {
    libc { SOL_BLUETOOTH }
    own {
        BTPROTO_L2CAP = family::BTPROTO_L2CAP as i64,
        BTPROTO_HCI = family::BTPROTO_HCI as i64,
        BTPROTO_SCO = family::BTPROTO_SCO as i64,
        BTPROTO_RFCOMM = family::BTPROTO_RFCOMM as i64,
        SOL_HCI = 0,
        SOL_L2CAP = 6,
        SOL_SCO = 17,
        SOL_RFCOMM = 18,
    }
};

/// The kernel's `net/bluetooth/bluetooth.h`: the options of SOL_BLUETOOTH, each
/// followed by its values
pub(super) const OPTIONS: &[Integer] = integers! {
    libc {}
    own {
        BT_SECURITY = 4,
        BT_SECURITY_SDP = 0,
        BT_SECURITY_LOW = 1,
        BT_SECURITY_MEDIUM = 2,
        BT_SECURITY_HIGH = 3,
        BT_SECURITY_FIPS = 4,
        BT_DEFER_SETUP = 7,
        BT_FLUSHABLE = 8,
        BT_FLUSHABLE_OFF = 0,
        BT_FLUSHABLE_ON = 1,
        BT_POWER = 9,
        BT_POWER_FORCE_ACTIVE_OFF = 0,
        BT_POWER_FORCE_ACTIVE_ON = 1,
        BT_CHANNEL_POLICY = 10,
        BT_CHANNEL_POLICY_BREDR_ONLY = 0,
        BT_CHANNEL_POLICY_BREDR_PREFERRED = 1,
        BT_CHANNEL_POLICY_AMP_PREFERRED = 2,
        BT_VOICE = 11,
        BT_VOICE_TRANSPARENT = 0x0003,
        BT_VOICE_CVSD_16BIT = 0x0060,
        BT_VOICE_TRANSPARENT_16BIT = 0x0063,
        BT_SNDMTU = 12,
        BT_RCVMTU = 13,
        BT_PHY = 14,
        BT_PHY_BR_1M_1SLOT = 0x0001,
        BT_PHY_BR_1M_3SLOT = 0x0002,
        BT_PHY_BR_1M_5SLOT = 0x0004,
        BT_PHY_EDR_2M_1SLOT = 0x0008,
        BT_PHY_EDR_2M_3SLOT = 0x0010,
        BT_PHY_EDR_2M_5SLOT = 0x0020,
        BT_PHY_EDR_3M_1SLOT = 0x0040,
        BT_PHY_EDR_3M_3SLOT = 0x0080,
        BT_PHY_EDR_3M_5SLOT = 0x0100,
        BT_PHY_LE_1M_TX = 0x0200,
        BT_PHY_LE_1M_RX = 0x0400,
        BT_PHY_LE_2M_TX = 0x0800,
        BT_PHY_LE_2M_RX = 0x1000,
        BT_PHY_LE_CODED_TX = 0x2000,
        BT_PHY_LE_CODED_RX = 0x4000,
        BT_MODE = 15,
        BT_MODE_BASIC = 0x00,
        BT_MODE_ERTM = 0x01,
        BT_MODE_STREAMING = 0x02,
        BT_MODE_LE_FLOWCTL = 0x03,
        BT_MODE_EXT_FLOWCTL = 0x04,
        BT_PKT_STATUS = 16,
        BT_ISO_QOS = 17,
        BT_CODEC = 19,
    }
};

/// The kernel's `net/bluetooth/hci.h` and `net/bluetooth/hci_sock.h`
pub(super) const HCI: &[Integer] = integers! {
    libc {}
    own {
        HCI_DATA_DIR = 1,
        HCI_FILTER = 2,
        HCI_TIME_STAMP = 3,
        HCI_DEV_NONE = 0xffff,
        HCI_CHANNEL_RAW = family::HCI_CHANNEL_RAW as i64,
        HCI_CHANNEL_USER = 1,
        HCI_CHANNEL_MONITOR = 2,
        HCI_CHANNEL_CONTROL = 3,
        HCI_CHANNEL_LOGGING = 4,
    }
};

/// The kernel's `net/bluetooth/l2cap.h` and, for address types,
/// `net/bluetooth/bluetooth.h`
pub(super) const L2CAP: &[Integer] = integers! {
    libc {}
    own {
        BDADDR_BREDR = family::BDADDR_BREDR as i64,
        BDADDR_LE_PUBLIC = 0x01,
        BDADDR_LE_RANDOM = 0x02,
        L2CAP_LM = 0x03,
        L2CAP_LM_MASTER = 0x0001,
        L2CAP_LM_AUTH = 0x0002,
        L2CAP_LM_ENCRYPT = 0x0004,
        L2CAP_LM_TRUSTED = 0x0008,
        L2CAP_LM_RELIABLE = 0x0010,
        L2CAP_LM_SECURE = 0x0020,
    }
};
