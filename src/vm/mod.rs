//! Everything that leans on the inside of RustPython 0.6, to be deleted piece by piece.
//!
//! Each file begins with what the VM lacks, where, and how to delete the file once the
//! VM has it. Each has a test that fails when the VM changes.
//!
//! | file | instead of |
//! |---|---|
//! | `state` | state of a native module for each interpreter (`PyModule_GetState`) |
//! | `method` | `#[pymethod]` that reads its arguments in one go, with CPython's messages |
//! | `function` | a native function that can ask for its own module |
//! | `lazy_module` | a module-level `__getattr__` that can be taken away again |
//! | `io_classes` | public types for four classes of `_io` |
//! | `native_enums` | `enum` on a VM without the standard library |
//! | `ssl` | an `_ssl` that works over any socket |
//! | `withheld` | a way not to give modules to an interpreter |

pub(crate) mod function;
pub(crate) mod io_classes;
pub(crate) mod lazy_module;
pub(crate) mod method;
pub(crate) mod native_enums;
#[cfg(feature = "ssl")]
pub(crate) mod ssl;
pub(crate) mod state;
pub(crate) mod withheld;
