//! System calls: the only place with `unsafe`.
//!
//! nix's safe wrappers where their types let a Python value through; `libc`
//! behind a function of the same shape where they are closed. Nothing above
//! can tell which it was. Functions name their man page; errors are errno(3).
#![allow(unsafe_code)]

pub(crate) mod descriptor;
mod flags;
pub(crate) mod fork;
#[cfg(test)]
mod inet;
pub(crate) mod interface;
pub(crate) mod loose;
pub(crate) mod message;
pub(crate) mod netdb;
pub(crate) mod receive;
pub(crate) mod sendfile;
pub(crate) mod signal;
mod sigpipe;
pub(crate) mod socket;
pub(crate) mod sockopt;
pub(crate) mod strerror;
mod word;

pub(crate) use descriptor::Descriptor;
pub(crate) use flags::MessageFlags;
pub(crate) use sigpipe::without_sigpipe;

// For `word`, to which `models/` gives loom's.
use std::sync::atomic::AtomicU64;
