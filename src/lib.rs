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

pub use embed::{Handle, SocketModule};
pub use policy::{Denied, Operation, Policy, SockAddr, Target};
