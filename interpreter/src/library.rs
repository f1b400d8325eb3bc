//! The standard library's modules that `build.rs` has corrected.

use rustpython_vm::frozen::FrozenLib;

/// Each takes the place of the module of its name.
pub const CORRECTED: &[&FrozenLib] = include!(concat!(env!("OUT_DIR"), "/library.rs"));
