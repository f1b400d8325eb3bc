//! A model without fork(2): one process, of generation 0.

use loom::sync::{Mutex, MutexGuard};

/// A lock, as the library has one for each process.
#[derive(Debug, Default)]
pub(crate) struct PerProcess<T>(Mutex<T>);

impl<T> PerProcess<T> {
    pub(crate) fn new(content: T) -> Self {
        Self(Mutex::new(content))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}
