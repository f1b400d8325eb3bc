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
//! instructions only, or for the system calls that wake a list of threads, or that the
//! only user of a descriptor makes. A lock that
//! parks threads in a table of the process, like those of `parking_lot`, would not help,
//! because another thread may hold a part of the table at the fork.
//!
//! A program that calls fork(2) in a signal handler of its own (in C or Rust; Python's
//! handlers run between two calls) is not supported: the handler may have interrupted a
//! section, and would wait for its end for ever.

use super::signal;
use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;

/// Number of fork(2)s from the process that began to count to this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Number of threads in a [`Section`]; with the bit [`FORKING`] from before fork(2)
/// until after.
static SECTIONS: AtomicU32 = AtomicU32::new(0);

const FORKING: u32 = 1 << 31;

/// This process has called fork(2), or a parent of it has, since it began to count.
static HAS_FORKED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Number of sections that this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
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

/// Returns 1 if the calling thread is in a section, else 0.
fn own_section() -> u32 {
    u32::from(DEPTH.get() > 0)
}

extern "C" fn prepare() {
    HAS_FORKED.store(true, Ordering::Relaxed);
    let mut backoff = Backoff::default();
    while SECTIONS.fetch_or(FORKING, Ordering::Acquire) & FORKING != 0 {
        backoff.wait();
    }
    // From here on no thread enters a section.
    while SECTIONS.load(Ordering::Acquire) != FORKING | own_section() {
        backoff.wait();
    }
}

extern "C" fn parent() {
    SECTIONS.fetch_and(!FORKING, Ordering::Release);
}

extern "C" fn child() {
    SECTIONS.store(own_section(), Ordering::Release);
    GENERATION.fetch_add(1, Ordering::Relaxed);
    signal::unblock_in_child();
}

/// Keeps fork(2) waiting while it lives, which is for a few instructions or for a system call
/// that blocks for two ticks of the kernel's clock at most.
pub(super) struct Section(());

impl Section {
    #[inline]
    pub(super) fn enter() -> Self {
        watch();
        let depth = DEPTH.get();
        DEPTH.set(depth + 1);
        if depth == 0 {
            let before = SECTIONS.fetch_add(1, Ordering::Acquire);
            if before & FORKING != 0 {
                Self::wait_for_fork();
            }
        }
        Self(())
    }

    /// Leaves the section again and waits until fork(2) is over.
    #[cold]
    fn wait_for_fork() {
        SECTIONS.fetch_sub(1, Ordering::Release);
        let mut backoff = Backoff::default();
        let enter = |sections: u32| (sections & FORKING == 0).then_some(sections + 1);
        while SECTIONS
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, enter)
            .is_err()
        {
            backoff.wait();
        }
    }
}

impl Drop for Section {
    #[inline]
    fn drop(&mut self) {
        let depth = DEPTH.get() - 1;
        DEPTH.set(depth);
        if depth == 0 {
            SECTIONS.fetch_sub(1, Ordering::Release);
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
#[derive(Debug, Default)]
pub(crate) struct Inherited<T>(Mutex<T>);

impl<T> Inherited<T> {
    /// Locks the content.
    #[inline]
    pub(crate) fn lock(&self) -> InheritedGuard<'_, T> {
        let section = Section::enter();
        let content = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        InheritedGuard { content, section }
    }
}

/// A held lock of an [`Inherited`]. It is released before the section ends.
pub(crate) struct InheritedGuard<'a, T> {
    content: MutexGuard<'a, T>,
    #[expect(dead_code, reason = "held, and dropped after the lock")]
    section: Section,
}

impl<T> Deref for InheritedGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.content
    }
}

impl<T> DerefMut for InheritedGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.content
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
        let outer = Inherited::<u8>::default();
        let inner = Inherited::<u8>::default();
        let mut held = outer.lock();
        *held = 1;
        *inner.lock() = 2;
        in_child(|| {
            // The threads for which the child waits have ended.
            drop(held);
            (*outer.lock(), *inner.lock()) == (1, 2) && own_section() == 0
        });
        *inner.lock() = 3;
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
