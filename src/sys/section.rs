//! Sections: pieces of code for whose end fork(2) waits, so that a child process finds
//! complete what they change.
//!
//! Each thread has a [`Place`], where it counts the sections that it is in. fork(2) finds
//! the places of all threads in a list, which only grows: the places of threads that have
//! ended are used again. So threads that are in sections write to no cache line that they share.
//!
//! | place | `owner` | `depth` |
//! |---|---|---|
//! | spare | 0 | 0 |
//! | of a thread outside of sections | the thread's name | 0 |
//! | of a thread in a section | the thread's name | the number of sections, one in the other |
//!
//! Invariants:
//!
//! - A thread that enters its outermost section writes `depth` and then reads `forking`; a
//!   thread that calls fork(2) writes `forking` and then reads every `depth`. All four are
//!   sequentially consistent, and so are the accesses to the head of the list, to which a
//!   new place is added before it is used. So one of the two threads sees the other:
//!   fork(2) waits for the section's end, or the thread leaves the section again and waits
//!   until fork(2) is over.
//! - Between [`begin_fork`](Sections::begin_fork) and the end of fork(2) no thread is in a
//!   section but the one that forks. (No code of this crate calls fork(2) in a section. If two
//!   threads did so at once, they would wait for each other for ever.)
//! - So in a child every count of another thread is one that its thread was about to take
//!   back. The child takes them back, and the places with them, because those threads do not
//!   exist there.
//!
//! `models/` includes this file, with atomics that run every interleaving.

use super::{AtomicPtr, AtomicUsize, in_one_order};
use std::ptr;
use std::sync::atomic::Ordering;

/// All places of the process.
pub(super) struct Sections {
    /// The newest place.
    first: AtomicPtr<Place>,
    /// The name of the thread that calls fork(2), 0 for none.
    forking: AtomicUsize,
}

/// The place of one thread, in a cache line of its own.
#[repr(align(64))]
pub(super) struct Place {
    /// The thread's name, 0 for none. Names are above 0, and differ while their threads live.
    owner: AtomicUsize,
    /// Number of sections that the thread is in.
    depth: AtomicUsize,
    /// The place that was the newest before this one.
    next: *const Self,
}

// SAFETY: the fields are atomics, and a pointer that never changes once others can read it.
unsafe impl Sync for Place {}

impl Sections {
    /// Returns an empty list, given the null pointer and 0.
    pub(super) const fn new(first: AtomicPtr<Place>, forking: AtomicUsize) -> Self {
        Self { first, forking }
    }

    /// Returns all places, the newest first.
    pub(super) fn places(&self) -> impl Iterator<Item = &'static Place> {
        // SAFETY: places live for ever.
        let place = |place: *const Place| unsafe { place.as_ref() };
        let first = self.first.load(Ordering::SeqCst);
        std::iter::successors(place(first), move |before| place(before.next))
    }

    /// Returns a place for the thread `name`: a spare one, or a new one.
    pub(super) fn place(&self, name: usize) -> &'static Place {
        for place in self.places() {
            let owner = &place.owner;
            if owner.load(Ordering::Relaxed) == 0
                && owner
                    .compare_exchange(0, name, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return place;
            }
        }
        let new = Box::into_raw(Box::new(Place {
            owner: AtomicUsize::new(name),
            depth: AtomicUsize::new(0),
            next: ptr::null(),
        }));
        let mut newest = self.first.load(Ordering::Relaxed);
        loop {
            // SAFETY: no other thread knows the place yet.
            unsafe { (*new).next = newest };
            let added =
                self.first
                    .compare_exchange(newest, new, Ordering::SeqCst, Ordering::Relaxed);
            match added {
                // SAFETY: places live for ever, and change by their atomics only from now on.
                Ok(_) => return unsafe { &*new },
                Err(newer) => newest = newer,
            }
        }
    }

    /// Enters a section at the place of the calling thread, whose name is `name`. Calls `wait`
    /// again and again while another thread calls fork(2).
    #[inline]
    pub(super) fn enter(&self, place: &Place, name: usize, wait: impl FnMut()) {
        let depth = place.depth.load(Ordering::Relaxed);
        if depth > 0 {
            place.depth.store(depth + 1, Ordering::Relaxed);
            return;
        }
        place.depth.swap(1, Ordering::SeqCst);
        in_one_order();
        if self.forking.load(Ordering::SeqCst) != 0 {
            self.wait_for_fork(place, name, wait);
        }
    }

    #[cold]
    fn wait_for_fork(&self, place: &Place, name: usize, mut wait: impl FnMut()) {
        loop {
            let forking = self.forking.load(Ordering::SeqCst);
            if forking == 0 || forking == name {
                return;
            }
            place.depth.store(0, Ordering::Release);
            while self.forking.load(Ordering::Acquire) != 0 {
                wait();
            }
            place.depth.swap(1, Ordering::SeqCst);
            in_one_order();
        }
    }

    /// Waits until no other thread than `name`, which calls fork(2), is in a section. From then
    /// on none enters one.
    pub(super) fn begin_fork(&self, name: usize, mut wait: impl FnMut()) {
        while self
            .forking
            .compare_exchange(0, name, Ordering::SeqCst, Ordering::Relaxed)
            .is_err()
        {
            wait();
        }
        in_one_order();
        for place in self.places() {
            while place.depth.load(Ordering::SeqCst) != 0
                && place.owner.load(Ordering::Relaxed) != name
            {
                wait();
            }
        }
    }

    /// Lets sections begin again, in the parent process.
    pub(super) fn end_fork(&self) {
        self.forking.store(0, Ordering::SeqCst);
    }

    /// Does what [`end_fork`](Self::end_fork) does, in the child, whose only thread is `name`.
    pub(super) fn end_fork_in_child(&self, name: usize) {
        for place in self.places() {
            if place.owner.load(Ordering::Relaxed) != name {
                place.depth.store(0, Ordering::Relaxed);
                place.owner.store(0, Ordering::Relaxed);
            }
        }
        self.end_fork();
    }
}

impl Place {
    /// Leaves a section. Returns the number of sections that the thread is still in.
    #[inline]
    pub(super) fn leave(&self) -> usize {
        let left = self.depth.load(Ordering::Relaxed) - 1;
        self.depth.store(left, Ordering::Release);
        left
    }

    /// Gives the place of the calling thread back, which is in no section.
    pub(super) fn give_back(&self) {
        self.owner.store(0, Ordering::Release);
    }

    /// Returns true if it is a thread's.
    #[cfg(test)]
    pub(super) fn has_owner(&self) -> bool {
        self.owner.load(Ordering::Relaxed) != 0
    }

    /// Returns true if its thread is in a section.
    #[cfg(test)]
    pub(super) fn is_in_use(&self) -> bool {
        self.depth.load(Ordering::Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loom's models have no child process.
    #[test]
    fn a_child_takes_back_the_places_of_the_threads_that_it_does_not_have() {
        let sections = Sections::new(AtomicPtr::new(ptr::null_mut()), AtomicUsize::new(0));
        let (own, others) = (sections.place(1), sections.place(2));
        sections.begin_fork(1, || panic!());
        // The thread would see the fork, and leave again.
        others.depth.store(1, Ordering::Relaxed);
        sections.end_fork_in_child(1);
        assert!(own.has_owner() && !others.has_owner() && !others.is_in_use());
        assert!(ptr::eq(sections.place(3), others));
        sections.enter(others, 3, || panic!());
        assert_eq!(others.leave(), 0);
    }
}
