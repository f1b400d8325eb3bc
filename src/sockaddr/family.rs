//! Numbers of address families, their protocols and address types that libc lacks.

/// AF_QIPCRTR, which libc lacks on glibc.
pub(crate) const AF_QIPCRTR: i32 = 42;

/// Protocols of AF_BLUETOOTH (bluetooth/bluetooth.h).
pub(crate) const BTPROTO_L2CAP: i32 = 0;
pub(crate) const BTPROTO_HCI: i32 = 1;
pub(crate) const BTPROTO_SCO: i32 = 2;
pub(crate) const BTPROTO_RFCOMM: i32 = 3;

/// Types of AF_TIPC addresses (linux/tipc.h): a range of services, one service, one socket.
pub(crate) const TIPC_ADDR_NAMESEQ: u32 = 1;
pub(crate) const TIPC_ADDR_NAME: u32 = 2;
pub(crate) const TIPC_ADDR_ID: u32 = 3;
/// The scope of a TIPC address that reaches the whole cluster.
pub(crate) const TIPC_CLUSTER_SCOPE: u8 = 2;
