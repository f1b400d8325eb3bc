//! System calls: the only place with `unsafe`.
//!
//! Functions use nix's safe wrappers if their types allow every value that a script can
//! give, and `libc` otherwise. The layers above see no difference. Each function names
//! its man page; errors are errno(3).
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
mod section;
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

// For `word` and `section`; in `models/` they are loom's types.
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize};

/// Marks a place between two sequentially consistent accesses whose order counts. Loom, which
/// orders only fences so, has a fence there.
#[inline(always)]
fn in_one_order() {}
