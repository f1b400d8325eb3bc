//! fork(2) as an event: what other threads held in the parent is nobody's in
//! the child.
//!
//! A child has one thread, the one that called fork(2). A lock that another
//! thread held at that moment would stay locked for ever, and a count of that
//! thread's would stay above zero. So:
//!
//! - Counts carry the generation in which they were taken: in a later one they are 0
//!   (`descriptor`).
//! - State that belongs to the threads of a process starts anew ([`PerProcess`]).
//! - State that a child inherits is changed in a [`Section`]: fork(2) waits until no
//!   thread is in one, so that the child finds the state whole and its lock free.

use parking_lot::lock_api::{RawMutex as _, RawRwLock as _};
use parking_lot::{RawMutex, RawRwLock};
use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many fork(2)s lie between this process and the one that began to count.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Held shared by every [`Section`], and alone while fork(2) runs.
static SECTIONS: Sections = Sections(UnsafeCell::new(RawRwLock::INIT));

struct Sections(UnsafeCell<RawRwLock>);

// SAFETY: the lock is made to be shared; it is replaced only in `child`, where one
// thread exists.
unsafe impl Sync for Sections {}

impl Sections {
    fn lock(&self) -> &RawRwLock {
        // SAFETY: nobody replaces the lock while there is another thread.
        unsafe { &*self.0.get() }
    }
}

extern "C" fn prepare() {
    SECTIONS.lock().lock_exclusive();
}

extern "C" fn parent() {
    // SAFETY: `prepare` has locked it, on this thread.
    unsafe { SECTIONS.lock().unlock_exclusive() };
}

extern "C" fn child() {
    // Not unlocked: the threads that wait for it are the parent's.
    // SAFETY: this is the only thread.
    unsafe { SECTIONS.0.get().write(RawRwLock::INIT) };
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Keeps fork(2) waiting for as long as this lives: a few instructions. A thread is
/// in one section at a time, and calls fork(2) in none.
pub(crate) struct Section(());

impl Section {
    pub(crate) fn enter() -> Self {
        watch();
        SECTIONS.lock().lock_shared();
        Self(())
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        // SAFETY: `enter` has locked it.
        unsafe { SECTIONS.lock().unlock_shared() };
    }
}

/// Begins to count (pthread_atfork(3)). Whoever keeps something that depends on the
/// [`generation`] calls this before.
pub(crate) fn watch() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        // A failure (no memory) leaves the number as it is: locks are then
        // those of a program without fork(2).
        // SAFETY: `prepare` and `parent` lock and unlock; `child` writes memory of
        // its own, whatever the other threads of the parent did.
        let _ = unsafe { nix::libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    });
}

/// Returns the number of this process among its ancestors: a child's is one
/// more than its parent's.
#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// A lock whose content starts anew in a child process.
///
/// For state that belongs to the threads of one process, such as who waits for
/// what: in the child those threads do not exist.
pub(crate) struct PerProcess<T> {
    /// [`UNUSED`], or twice the generation after the one whose content is in
    /// place, plus [`CHANGING`] while a thread puts it there.
    state: AtomicU32,
    /// Apart from the content, so that both fit two words.
    lock: UnsafeCell<RawMutex>,
    content: UnsafeCell<T>,
}

const UNUSED: u32 = 0;
const CHANGING: u32 = 1;

// SAFETY: the content is reached under its lock. Both are replaced only by the
// one thread that set CHANGING for the generation, while no thread of this
// process has a reference to it: every thread that did was one of the parent's.
unsafe impl<T: Send> Sync for PerProcess<T> {}

impl<T: Default> PerProcess<T> {
    pub(crate) const fn new(content: T) -> Self {
        Self {
            state: AtomicU32::new(UNUSED),
            lock: UnsafeCell::new(RawMutex::INIT),
            content: UnsafeCell::new(content),
        }
    }

    /// Locks the content, which is `T::default()` if the process has changed
    /// since the last time.
    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let ready = (generation() + 1) << 1;
        if self.state.load(Ordering::Acquire) != ready {
            self.enter(ready);
        }
        // SAFETY: this process's lock is in place, and nobody replaces it
        // before there is another process.
        unsafe { &*self.lock.get() }.lock();
        Guard(self)
    }

    #[cold]
    fn enter(&self, ready: u32) {
        watch();
        loop {
            let before = self.state.load(Ordering::Acquire);
            if before == ready {
                return;
            }
            if before == ready | CHANGING {
                std::thread::yield_now();
                continue;
            }
            let claimed = self.state.compare_exchange(
                before,
                ready | CHANGING,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            if claimed.is_err() {
                continue;
            }
            if before != UNUSED {
                // SAFETY: this thread alone is here (see `Sync`). The old content
                // is forgotten, not dropped: a thread of the parent may have
                // been changing it at the fork.
                unsafe {
                    self.lock.get().write(RawMutex::INIT);
                    self.content.get().write(T::default());
                }
            }
            self.state.store(ready, Ordering::Release);
            return;
        }
    }
}

impl<T> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerProcess").finish_non_exhaustive()
    }
}

/// The lock of a [`PerProcess`], held.
pub(crate) struct Guard<'a, T>(&'a PerProcess<T>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.0.content.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held.
        unsafe { &mut *self.0.content.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this thread holds the lock.
        unsafe { (*self.0.lock.get()).unlock() };
    }
}

impl<T: Default> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    #[test]
    fn a_lock_that_another_thread_held_at_the_fork_is_free_in_the_child() {
        static LOCK: PerProcess<Vec<u8>> = PerProcess::new(Vec::new());
        LOCK.lock().push(1);
        let held = LOCK.lock();
        // From here on the child's view: its one thread never had the lock, for
        // what its guard would unlock is forgotten.
        // SAFETY: the child only touches the lock and leaves.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                std::mem::forget(held);
                let content = LOCK.lock();
                let expected = content.is_empty();
                drop(content);
                LOCK.lock().push(2);
                let kept = *LOCK.lock() == [2];
                // SAFETY: no destructors of the parent's are to run here.
                unsafe { nix::libc::_exit(i32::from(!(expected && kept))) }
            }
            ForkResult::Parent { child } => {
                assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
                assert_eq!(*held, [1]);
            }
        }
    }
}
