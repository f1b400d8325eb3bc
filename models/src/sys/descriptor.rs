//! A model of `sys::Descriptor`: the word of the library, and a kernel that notices what
//! must not happen.

use super::word::{Facts, GiveUp, Word};
use loom::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

/// The number of descriptors that the kernel has: 0 and 1.
const NUMBERS: usize = 2;

/// The generation of the only process.
const GENERATION: u32 = 0;

/// A descriptor, and who has used it: loom fails where a close is not ordered after every
/// use before it, and that order can come from the word alone.
struct File {
    is_open: AtomicBool,
    uses: UnsafeCell<()>,
}

impl File {
    fn new() -> Self {
        Self {
            is_open: AtomicBool::new(true),
            uses: UnsafeCell::new(()),
        }
    }
}

/// The descriptors of the process.
struct Kernel([File; NUMBERS]);

// SAFETY: nobody dereferences what is in the cells.
unsafe impl Sync for Kernel {}

impl Kernel {
    fn is_open(&self, number: i32) -> bool {
        let file = &self.0[number as usize];
        file.uses.with(|_| file.is_open.load(Ordering::Relaxed))
    }

    fn close(&self, number: i32) -> Result<(), ()> {
        let file = &self.0[number as usize];
        let close = |_| file.is_open.swap(false, Ordering::Relaxed);
        assert!(file.uses.with_mut(close), "{number} is closed twice");
        Ok(())
    }
}

/// A word whose number can be used and given up by any thread.
pub struct Socket {
    word: Word,
    kernel: Kernel,
}

impl Socket {
    /// Returns a socket with the open descriptor 0. Descriptor 1 is open and nobody's.
    pub fn new() -> Self {
        let socket = Self {
            word: Word::none(),
            kernel: Kernel([File::new(), File::new()]),
        };
        assert!(socket.install(0));
        socket
    }

    /// Gives the socket the descriptor; false if it has one.
    pub fn install(&self, number: i32) -> bool {
        self.word.install(number, Facts::default(), GENERATION)
    }

    /// Makes one system call with the descriptor, which is open meanwhile. Returns its
    /// number, `None` for EBADF.
    pub fn call(&self) -> Option<i32> {
        self.call_during(|| {})
    }

    /// Makes one system call that does `then`.
    pub fn call_during(&self, then: impl FnOnce()) -> Option<i32> {
        let number = self.word.acquire(GENERATION, loom::thread::yield_now)?;
        assert!(self.kernel.is_open(number), "{number} is used and closed");
        then();
        assert!(self.kernel.is_open(number), "{number} is used and closed");
        self.release(false);
        Some(number)
    }

    /// Makes one system call that does `then`, if nobody else uses the descriptor or knows
    /// its number; false if somebody may.
    pub fn call_alone(&self, then: impl FnOnce()) -> bool {
        let Some(number) = self.word.acquire_alone(GENERATION) else {
            return false;
        };
        assert!(self.kernel.is_open(number), "{number} is used and closed");
        then();
        assert!(self.kernel.is_open(number), "{number} is used and closed");
        self.release(true);
        true
    }

    /// Tells whether others may know the number.
    pub fn is_shared(&self) -> bool {
        self.word.is_shared()
    }

    /// Tells the socket's number, -1 for none.
    pub fn share(&self) -> i32 {
        self.word.share(GENERATION, loom::thread::yield_now)
    }

    /// Binds the descriptor, if there is one; returns its number.
    pub fn bind(&self) -> Option<i32> {
        self.call_during(|| self.word.set_bound())
    }

    /// Tells whether the descriptor is bound.
    pub fn is_bound(&self) -> bool {
        self.word.is_bound()
    }

    /// Closes the descriptor; false if there was none.
    pub fn close(&self) -> bool {
        self.close_and(|| {})
    }

    /// Closes the descriptor, if there is one. Does `then` when no call begins any more,
    /// and while the number is the socket's.
    pub(crate) fn close_and(&self, then: impl FnOnce()) -> bool {
        let Some(number) = self.word.give_up(GiveUp::Close, None, GENERATION) else {
            return false;
        };
        assert_eq!(self.word.acquire(GENERATION, || panic!("it waits")), None);
        then();
        assert!(self.kernel.is_open(number), "{number} is closed too early");
        self.release(false);
        true
    }

    /// Gives the descriptor away; returns its number. Calls that have begun may go on.
    pub fn leave(&self) -> Option<i32> {
        let number = self.word.give_up(GiveUp::Leave, None, GENERATION)?;
        assert_eq!(self.word.acquire(GENERATION, || panic!("it waits")), None);
        self.release(false);
        Some(number)
    }

    /// Closes a descriptor that [`leave`](Self::leave) gave away.
    pub fn close_left(&self, number: i32) {
        self.kernel.close(number).unwrap();
    }

    /// Waits until no call uses a descriptor that was given up.
    pub fn wait_until_idle(&self) {
        while self.word.is_given_up(GENERATION) {
            loom::thread::yield_now();
        }
    }

    /// Tells whether a descriptor is open.
    pub fn is_open(&self, number: i32) -> bool {
        self.kernel.is_open(number)
    }

    /// Returns the socket's number, −1 for none.
    pub fn number(&self) -> i32 {
        self.word.number()
    }

    fn release(&self, was_alone: bool) {
        let closed = self
            .word
            .release(was_alone, |number| self.kernel.close(number));
        closed.unwrap();
    }
}

impl Default for Socket {
    fn default() -> Self {
        Self::new()
    }
}
