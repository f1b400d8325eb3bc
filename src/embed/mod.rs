//! What a host calls.

mod builder;
mod interrupt;

pub use builder::SocketModule;
pub use interrupt::Handle;
