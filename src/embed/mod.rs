//! The types and functions that a host calls.

mod builder;
mod handle;
pub mod handoff;

pub use builder::SocketModule;
pub use handle::{Counters, Handle, SocketInfo};
