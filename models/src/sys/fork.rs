//! A model of fork(2) in the parent process, and locks without it: one process, of generation
//! 0.

use super::section::Sections;
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicPtr, AtomicUsize};
use loom::sync::{Mutex, MutexGuard};
use loom::thread::yield_now;
use std::ptr;

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

/// Returns what a thread does while it waits for others. Loom could let two threads that wait
/// take turns for ever; after a few turns it follows only the order in which the others go on.
fn wait() -> impl FnMut() {
    let mut turns = 0;
    move || {
        turns += 1;
        if turns > 2 {
            loom::skip_branch();
        }
        yield_now();
    }
}

/// Memory of a process whose threads change it in sections only.
pub struct Process {
    sections: Sections,
    /// The part of each thread. Loom fails where one changes its part while fork(2) copies it.
    memory: [UnsafeCell<[u8; 2]>; 2],
}

// SAFETY: loom checks every access.
unsafe impl Sync for Process {}

impl Process {
    /// Returns a process in which no thread has been in a section.
    pub fn new() -> Self {
        Self {
            sections: Sections::new(AtomicPtr::new(ptr::null_mut()), AtomicUsize::new(0)),
            memory: Default::default(),
        }
    }

    /// Changes the part of the memory that is thread `number`'s, in a section in a section.
    pub fn change(&self, number: usize) {
        let name = number + 1;
        let place = self.sections.place(name);
        for _ in 0..2 {
            self.sections.enter(place, name, wait());
        }
        for half in 0..2 {
            // SAFETY: loom checks every access.
            self.memory[number].with_mut(|part| unsafe { (*part)[half] += 1 });
        }
        assert_eq!(place.leave(), 1);
        assert_eq!(place.leave(), 0);
        place.give_back();
    }

    /// Calls fork(2) from thread `number`. Returns the child's memory.
    pub fn fork(&self, number: usize) -> [[u8; 2]; 2] {
        let name = number + 1;
        self.sections.begin_fork(name, wait());
        // A function that fork(2) runs may be in a section.
        let place = self.sections.place(name);
        self.sections.enter(place, name, || panic!());
        let copied = self.copy();
        place.leave();
        place.give_back();
        self.sections.end_fork();
        copied
    }

    /// Copies the memory, while anything may happen.
    pub fn copy(&self) -> [[u8; 2]; 2] {
        // SAFETY: loom checks every access.
        [0, 1].map(|part| self.memory[part].with(|part| unsafe { *part }))
    }
}

impl Default for Process {
    fn default() -> Self {
        Self::new()
    }
}
