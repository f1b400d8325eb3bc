//! Numbers of address families, their protocols, address types and addresses that libc
//! lacks.

/// AF_QIPCRTR, which libc lacks on glibc.
pub(crate) const AF_QIPCRTR: i32 = 42;

/// Protocols of AF_BLUETOOTH (bluetooth/bluetooth.h).
pub(crate) const BTPROTO_L2CAP: i32 = 0;
pub(crate) const BTPROTO_HCI: i32 = 1;
pub(crate) const BTPROTO_SCO: i32 = 2;
pub(crate) const BTPROTO_RFCOMM: i32 = 3;

/// The address type of a Bluetooth device that is not low energy (bluetooth/bluetooth.h).
pub(crate) const BDADDR_BREDR: u8 = 0;
/// The default channel of a Bluetooth controller (bluetooth/hci_sock.h).
pub(crate) const HCI_CHANNEL_RAW: u16 = 0;

/// Types of AF_TIPC addresses (linux/tipc.h): a range of services, one service, one socket.
pub(crate) const TIPC_ADDR_NAMESEQ: u32 = 1;
pub(crate) const TIPC_ADDR_NAME: u32 = 2;
pub(crate) const TIPC_ADDR_ID: u32 = 3;
/// The scope of a TIPC address that reaches the whole cluster.
pub(crate) const TIPC_CLUSTER_SCOPE: u8 = 2;

/// The socket option that connects to the addresses in its value (linux/sctp.h).
pub(crate) const SCTP_SOCKOPT_CONNECTX: i32 = 110;
