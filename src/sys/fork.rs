//! Keeps a child process free of what other threads of its parent held at fork(2).
//!
//! A child has one thread, the one that called fork(2). A lock that another thread held
//! at that moment would stay locked for ever, and a count that the thread had raised
//! would stay raised. So:
//!
//! - Counts have the generation in which they were taken; in a later generation they
//!   are 0 (`descriptor`).
//! - State that belongs to the threads of a process starts anew ([`PerProcess`]).
//! - State that a child inherits is behind a lock that no thread holds at a fork
//!   ([`Inherited`]).
//!
//! No other lock is held when fork(2) may happen: not by a thread that is detached from
//! the VM, which os.fork() does not stop, nor by a thread of another interpreter or of
//! the host.
//!
//! Threads wait here by yielding the processor, because the locks are held for a few
//! instructions only, or for system calls that do not wait, or wait for two ticks of the
//! kernel's clock (those that the only user of a descriptor makes). A lock that parks threads
//! in a table of the process, like those of `parking_lot`, would not help, because another
//! thread may hold a part of the table at the fork.
//!
//! A program that calls fork(2) in a signal handler of its own (in C or Rust; Python's
//! handlers run between two calls) is not supported: the handler may have interrupted a
//! section, and would wait for its end for ever.

use super::section::{Place, Sections};
use super::signal;
use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Number of fork(2)s from the process that began to count to this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The sections of this process's threads.
static SECTIONS: Sections = Sections::new(AtomicPtr::new(ptr::null_mut()), AtomicUsize::new(0));

/// This process has called fork(2), or a parent of it has, since it began to count.
static HAS_FORKED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The thread's place. It has no destructor, so that it can be used until the thread ends.
    static PLACE: Cell<Option<&'static Place>> = const { Cell::new(None) };

    /// The thread is ending: it has a place only while it is in a section.
    static IS_ENDING: Cell<bool> = const { Cell::new(false) };

    /// Its destructor gives the thread's place back.
    static AT_END: AtEnd = const { AtEnd };
}

struct AtEnd;

impl Drop for AtEnd {
    fn drop(&mut self) {
        IS_ENDING.set(true);
        // Gives the place back, or lets the last section do so, if another thread-local value
        // still holds one.
        drop(Section::enter());
    }
}

/// Returns the name of the calling thread: an address that no other thread has.
#[inline]
fn name() -> usize {
    PLACE.with(|place| ptr::from_ref(place).addr())
}

/// Repeated short waits of a thread for another thread's few instructions.
#[derive(Default)]
pub(super) struct Backoff(u32);

impl Backoff {
    #[cold]
    pub(super) fn wait(&mut self) {
        self.0 = self.0.wrapping_add(1);
        if self.0 < 100 || !self.0.is_multiple_of(2) {
            thread::yield_now();
        } else {
            // Sleeps, because the thread that holds the lock may have a lower priority. Yields
            // in every other round, because that thread may be sending this one signals, each
            // of which ends the sleep while the lock is still held.
            signal::pause(Duration::from_micros(50));
        }
    }
}

extern "C" fn prepare() {
    HAS_FORKED.store(true, Ordering::Relaxed);
    let mut backoff = Backoff::default();
    SECTIONS.begin_fork(name(), || backoff.wait());
}

extern "C" fn parent() {
    SECTIONS.end_fork();
}

extern "C" fn child() {
    SECTIONS.end_fork_in_child(name());
    GENERATION.fetch_add(1, Ordering::Relaxed);
    signal::unblock_in_child();
}

/// Keeps fork(2) waiting while it lives, which is for a few instructions, or for system calls
/// that block for two ticks of the kernel's clock at most.
pub(super) struct Section {
    place: &'static Place,
    /// The place is that of this thread.
    _of_this_thread: PhantomData<*const ()>,
}

impl Section {
    #[inline]
    pub(super) fn enter() -> Self {
        let place = PLACE.get().unwrap_or_else(Self::find_place);
        let mut backoff = Backoff::default();
        SECTIONS.enter(place, name(), || backoff.wait());
        Self {
            place,
            _of_this_thread: PhantomData,
        }
    }

    #[cold]
    fn find_place() -> &'static Place {
        watch();
        let place = SECTIONS.place(name());
        PLACE.set(Some(place));
        // An ending thread may have no destructors any more.
        let _ = AT_END.try_with(|_| {});
        place
    }
}

impl Drop for Section {
    #[inline]
    fn drop(&mut self) {
        if self.place.leave() == 0 && IS_ENDING.get() {
            PLACE.set(None);
            self.place.give_back();
        }
    }
}

/// Begins to count (pthread_atfork(3)). Must be called before anything depends on the
/// [`generation`].
pub(crate) fn watch() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        // After a failure (no memory) the generation never changes, locks behave as in a
        // program without fork(2), and every descriptor counts as inherited.
        // SAFETY: the functions read and write atomics and a number of their thread.
        let watched =
            unsafe { nix::libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
        if watched != 0 {
            HAS_FORKED.store(true, Ordering::Relaxed);
        }
    });
}

/// Returns the generation of this process. A child's is one more than its parent's.
#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Returns true if this process, or a parent of it, has called fork(2) since it began to
/// count. In a [`Section`] the answer holds until the end of the section.
#[inline]
pub(super) fn has_forked() -> bool {
    HAS_FORKED.load(Ordering::Relaxed)
}

/// A lock whose content a child process inherits. fork(2) waits until no thread has the
/// lock, so that the child finds the content complete and the lock free.
///
/// Code that has the lock must not wait or call fork(2).
#[derive(Default)]
pub(crate) struct Inherited<T> {
    is_locked: AtomicBool,
    content: UnsafeCell<T>,
}

// SAFETY: the content is reached by the one thread that has set `is_locked`.
unsafe impl<T: Send> Sync for Inherited<T> {}

impl<T> Inherited<T> {
    /// Locks the content.
    #[inline]
    pub(crate) fn lock(&self) -> InheritedGuard<'_, T> {
        let section = Section::enter();
        if !self.try_lock() {
            self.lock_slow();
        }
        InheritedGuard {
            lock: self,
            section,
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.is_locked
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    #[cold]
    fn lock_slow(&self) {
        let mut backoff = Backoff::default();
        while self.is_locked.load(Ordering::Relaxed) || !self.try_lock() {
            backoff.wait();
        }
    }
}

impl<T> fmt::Debug for Inherited<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inherited").finish_non_exhaustive()
    }
}

/// A held lock of an [`Inherited`]. It is released before the section ends.
pub(crate) struct InheritedGuard<'a, T> {
    lock: &'a Inherited<T>,
    #[expect(dead_code, reason = "held, and dropped after the lock is free")]
    section: Section,
}

impl<T> Deref for InheritedGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.lock.content.get() }
    }
}

impl<T> DerefMut for InheritedGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held.
        unsafe { &mut *self.lock.content.get() }
    }
}

impl<T> Drop for InheritedGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.is_locked.store(false, Ordering::Release);
    }
}

/// A lock whose content starts anew in a child process.
///
/// It is for state that belongs to the threads of one process, such as lists of waiting
/// threads, because those threads do not exist in the child.
pub(crate) struct PerProcess<T> {
    /// [`UNUSED`], or twice the number after the content's generation, plus [`LOCKED`] if
    /// locked.
    state: AtomicU32,
    content: UnsafeCell<ManuallyDrop<T>>,
}

const UNUSED: u32 = 0;
const LOCKED: u32 = 1;

// SAFETY: the content is reached by the one thread of this process that has set LOCKED.
// Where a thread of the parent process had set it, that thread does not exist here.
unsafe impl<T: Send> Sync for PerProcess<T> {}

impl<T: Default> PerProcess<T> {
    pub(crate) const fn new(content: T) -> Self {
        Self {
            state: AtomicU32::new(UNUSED),
            content: UnsafeCell::new(ManuallyDrop::new(content)),
        }
    }

    /// Locks the content. In a new process it is `T::default()`.
    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let free = (generation() + 1) << 1;
        let locked =
            self.state
                .compare_exchange(free, free | LOCKED, Ordering::Acquire, Ordering::Relaxed);
        if locked.is_err() {
            self.lock_slow(free);
        }
        Guard {
            lock: self,
            _of_this_thread: PhantomData,
        }
    }

    #[cold]
    fn lock_slow(&self, free: u32) {
        watch();
        let mut backoff = Backoff::default();
        loop {
            let before = self.state.load(Ordering::Relaxed);
            if before == free | LOCKED {
                backoff.wait();
                continue;
            }
            let locked = self.state.compare_exchange(
                before,
                free | LOCKED,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            if locked.is_err() {
                continue;
            }
            if before != free && before != UNUSED {
                // The old content is forgotten, not dropped: a thread of the parent may
                // have been changing it at the fork.
                // SAFETY: this thread has the lock.
                unsafe { self.content.get().write(ManuallyDrop::new(T::default())) };
            }
            return;
        }
    }
}

impl<T> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerProcess").finish_non_exhaustive()
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        // Nobody of this process has the lock. If it is locked, a thread of the parent was
        // changing the content at the fork, and the content is forgotten.
        if *self.state.get_mut() & LOCKED == 0 {
            // SAFETY: the content is complete, and is not used again.
            unsafe { ManuallyDrop::drop(self.content.get_mut()) };
        }
    }
}

/// A held lock of a [`PerProcess`].
pub(crate) struct Guard<'a, T> {
    lock: &'a PerProcess<T>,
    /// Other threads must not share the content by a reference to the guard: it need not be
    /// `Sync`.
    _of_this_thread: PhantomData<*mut T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.lock.content.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held.
        unsafe { &mut *self.lock.content.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // No other thread changes the state while it is locked.
        let locked = self.lock.state.load(Ordering::Relaxed);
        self.lock.state.store(locked & !LOCKED, Ordering::Release);
    }
}

impl<T: Default> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, alarm, fork};

    /// Runs `test` in a child process, for at most 20 seconds.
    #[track_caller]
    pub(crate) fn in_child(test: impl FnOnce() -> bool) {
        // SAFETY: the child runs the test, which takes no lock of others, and leaves.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                alarm::set(20);
                let failed = !test();
                // SAFETY: no destructors of the parent's are to run here.
                unsafe { nix::libc::_exit(i32::from(failed)) }
            }
            ForkResult::Parent { child } => {
                assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::in_child;
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_lock_that_another_thread_held_at_the_fork_is_free_in_the_child() {
        static LOCK: PerProcess<Vec<u8>> = PerProcess::new(Vec::new());
        LOCK.lock().push(1);
        let held = LOCK.lock();
        // The child's one thread never had the lock, so it drops no guard.
        in_child(|| {
            let is_new = LOCK.lock().is_empty();
            LOCK.lock().push(2);
            is_new && *LOCK.lock() == [2]
        });
        assert_eq!(*held, [1]);
    }

    #[test]
    fn a_child_does_not_drop_what_another_thread_was_changing() {
        struct Complete(bool);
        impl Default for Complete {
            fn default() -> Self {
                Self(true)
            }
        }
        impl Drop for Complete {
            fn drop(&mut self) {
                assert!(self.0);
            }
        }
        let lock = PerProcess::new(Complete(true));
        lock.lock().0 = true;
        let mut held = lock.lock();
        held.0 = false;
        in_child(|| {
            // SAFETY: the child leaves without dropping the original.
            let copy = unsafe { std::ptr::read(&raw const lock) };
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(copy))).is_ok()
        });
        held.0 = true;
    }

    #[test]
    fn a_thread_may_be_in_a_section_in_a_section_and_fork_there() {
        // In a child, where no other test calls fork(2).
        in_child(|| {
            let outer = Inherited::<u8>::default();
            let inner = Inherited::<u8>::default();
            let mut held = outer.lock();
            *held = 1;
            *inner.lock() = 2;
            in_child(|| {
                drop(held);
                let place = PLACE.get();
                (*outer.lock(), *inner.lock()) == (1, 2)
                    && place.is_some_and(|place| !place.is_in_use())
            });
            *inner.lock() = 3;
            true
        });
    }

    #[test]
    fn a_thread_that_ends_gives_its_place_back() {
        static LOCK: Inherited<u32> = Inherited {
            is_locked: AtomicBool::new(false),
            content: UnsafeCell::new(0),
        };
        struct Locks;
        impl Drop for Locks {
            fn drop(&mut self) {
                let outer = Section::enter();
                *LOCK.lock() += 1;
                drop(outer);
            }
        }
        thread_local! {
            static BEFORE: Locks = const { Locks };
            static AFTER: Locks = const { Locks };
        }
        // Destructors run in the order in which the values were first used, or the reverse.
        let run = || {
            BEFORE.with(|_| *LOCK.lock() += 1);
            AFTER.with(|_| {});
        };
        // A child, in which no other test has threads.
        in_child(|| {
            *LOCK.lock() = 0;
            for _ in 0..10 {
                thread::spawn(run).join().unwrap();
            }
            let used = SECTIONS.places().filter(|place| place.has_owner()).count();
            *LOCK.lock() == 30 && used == 1
        });
    }

    #[test]
    fn a_child_finds_what_it_inherits_whole_and_every_lock_free() {
        let inherited = Inherited::<(u32, u32)>::default();
        let own = PerProcess::<(u32, u32)>::default();
        let is_over = AtomicBool::new(false);
        let change = || {
            for pair in [&mut *inherited.lock(), &mut *own.lock()] {
                pair.0 += 1;
                std::hint::spin_loop();
                pair.1 += 1;
            }
        };
        let is_whole = || {
            let (one, other) = (*inherited.lock(), *own.lock());
            one.0 == one.1 && other.0 == other.1
        };
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        change();
                    }
                });
            }
            for _ in 0..100 {
                in_child(|| {
                    change();
                    is_whole()
                });
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert!(is_whole());
    }
}
