//! Runs the parts of the library that work without a lock, or depend on an order, in every
//! interleaving of a few threads.
//!
//! `src/sys/word.rs`, `src/sys/section.rs` and `src/net/wake.rs` are included as they are.
//! Around them stand models of what they need: [loom](loom)'s atomics, locks and threads, a
//! kernel with a few descriptors, threads that signals wake, and memory that fork(2) copies. A
//! model fails if in any interleaving an assertion fails, memory is read while it is changed, or
//! all threads wait.
//!
//! Models of three threads that have too many interleavings limit the number of preemptions
//! ([`explore`]).

mod net;
mod sys;

pub use net::{Found, Order, Waits};
pub use sys::descriptor::Socket;
pub use sys::fork::Process;
pub use sys::signal::Thread;

/// Runs `model` in every interleaving, or in those in which threads are stopped up to
/// `preemptions` times where they could go on.
pub fn explore(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}
