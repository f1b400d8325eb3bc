//! The layer of system calls, with models in place of the kernel.

pub(crate) mod descriptor;
pub(crate) mod fork;
#[allow(dead_code, reason = "there is no child process, nor a test of one")]
#[path = "../../../src/sys/section.rs"]
mod section;
pub(crate) mod signal;
#[path = "../../../src/sys/word.rs"]
mod word;

// For `word` and `section`.
use loom::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// Orders the sequentially consistent accesses before it and after it, which loom takes for
/// less.
fn in_one_order() {
    loom::sync::atomic::fence(Ordering::SeqCst);
}

// For the links of the included files.
#[allow(unused_imports)]
use descriptor::Socket as Descriptor;
