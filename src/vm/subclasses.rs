//! Keeps a class of one interpreter out of the list of subclasses of its base.
//!
//! **What RustPython 0.6 lacks:** lists of subclasses for each interpreter. All
//! interpreters of the process share a static class and its list of subclasses
//! (rustpython-vm `src/builtins/type.rs:57`). `__subclasses__()` leaves out the classes
//! of other interpreters, `gc.get_referents(base)` does not, so that a script could change
//! the `socket.socket` of another one. **To delete this file:** once the garbage collector
//! leaves them out, too. **Test:** `no_script_finds_the_classes_of_another` in
//! `tests/isolation.rs`.

use rustpython_vm::builtins::PyType;
use rustpython_vm::{AsObject, Py};

/// Removes a class from the lists of its bases.
///
/// The VM uses the lists when a base changes. So each base must be immutable, as static
/// classes are.
pub(crate) fn unlist(class: &Py<PyType>) {
    // Dropped after the lock: what goes with the last reference may run Python code.
    let mut removed = Vec::new();
    let mut others = Vec::new();
    for base in class.bases.read().as_slice() {
        let mut subclasses = base.subclasses.write();
        let (own, kept) = std::mem::take(&mut *subclasses)
            .into_iter()
            .partition::<Vec<_>, _>(|weak| {
                let other = weak.upgrade();
                let is_own = other.as_ref().is_some_and(|other| other.is(class));
                others.extend(other);
                is_own
            });
        removed.extend(own);
        *subclasses = kept;
    }
}
