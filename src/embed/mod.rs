//! What a host calls.

mod builder;
mod handle;
pub mod handoff;
mod withheld;

pub use builder::SocketModule;
pub use handle::{Counters, Handle, SocketInfo};
