//! The layer of system calls, with models in place of the kernel.

pub(crate) mod descriptor;
pub(crate) mod fork;
pub(crate) mod signal;
#[path = "../../../src/sys/word.rs"]
mod word;

// For `word`.
use loom::sync::atomic::AtomicU64;

// For the links of the included files.
#[allow(unused_imports)]
use descriptor::Socket as Descriptor;
