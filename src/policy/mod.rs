//! What a host allows its scripts to reach.
//!
//! The lowest layer: plain data and decisions. It knows neither the VM nor a
//! system call, so that every system call that names a destination can demand
//! proof of permission ([`Permitted`]) in its signature.

mod gate;
pub(crate) mod inet;
mod observer;
mod rules;
mod sockaddr;

pub use gate::{Denied, Operation, Policy, Target};
pub(crate) use gate::{Gate, NameGrant, Permitted};
pub use observer::{Event, Limit};
pub(crate) use observer::{Observer, SocketId};
pub use rules::{AuditOnly, Rule, RuleError, Rules};
pub use sockaddr::SockAddr;
