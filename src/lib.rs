//! The `socket` module for Rust programs that embed RustPython.
#![deny(unsafe_code)]

mod address;
mod bridge;
mod constants;
mod embed;
mod module;
mod net;
mod object;
mod policy;
mod sys;

pub use embed::{Counters, Handle, SocketInfo, SocketModule, handoff};
pub use net::Resolver;
pub use policy::{
    AuditOnly, Denied, Event, Operation, Policy, Rule, RuleError, Rules, SockAddr, Target,
};
