//! Code that depends on internals of RustPython 0.6, to be deleted file by file.
//!
//! The head of each file says what the VM lacks and where, how to delete the file once
//! the VM has it, and which test fails if a change of the VM breaks the file. No test
//! tells that the VM has what it lacked: look that up at each new version.
//!
//! | file | instead of |
//! |---|---|
//! | `interpreters` | state of a native module for each interpreter (`PyModule_GetState`) |
//! | `method` | `#[pymethod]` and `#[pyfunction]` that read their arguments in one go, with CPython's messages |
//! | `python_args` | native functions with the messages of Python functions about their arguments |
//! | `function` | a native function that can ask for its own module |
//! | `lazy_module` | a module-level `__getattr__` that can be removed again |
//! | `io_classes` | public types for four classes of `_io` |
//! | `native_enums` | `enum` on a VM without the standard library |
//! | `native_hash` | a hash of bound native methods |
//! | `subclasses` | lists of subclasses for each interpreter |
//! | `ssl` | an `_ssl` that works over any socket |
//! | `withheld` | a way to leave out modules of the VM |

pub(crate) mod function;
pub(crate) mod interpreters;
pub(crate) mod io_classes;
pub(crate) mod lazy_module;
pub(crate) mod method;
pub(crate) mod native_enums;
pub(crate) mod native_hash;
pub(crate) mod python_args;
#[cfg(feature = "ssl")]
pub(crate) mod ssl;
pub(crate) mod subclasses;
pub(crate) mod withheld;
