//! What a host allows its scripts to reach.
//!
//! The lowest layer: plain data and decisions. It knows neither the VM nor a
//! system call, so that every system call that names a destination can demand
//! proof of permission ([`Permitted`]) in its signature.

mod gate;
pub(crate) mod inet;
mod rules;
mod sockaddr;
mod watch;

pub use gate::{Denied, Operation, Policy, Target};
pub(crate) use gate::{Gate, NameGrant, Permitted};
pub use rules::{AuditOnly, Rule, RuleError, Rules};
pub use sockaddr::SockAddr;
pub use watch::{Event, Limit};
pub(crate) use watch::{SocketId, Watch};
