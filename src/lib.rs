//! The `socket` module for Rust programs that embed RustPython.
#![deny(unsafe_code)]

mod bridge;
mod net;
mod policy;
mod sys;
