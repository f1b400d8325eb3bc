//! What a host calls.

mod builder;

pub use builder::SocketModule;
