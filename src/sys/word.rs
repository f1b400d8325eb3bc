//! The atomic word of a [`Descriptor`](super::Descriptor): its states and their changes,
//! without a system call.
//!
//! | state | word | `acquire` | `acquire_alone` | `give_up` |
//! |---|---|---|---|---|
//! | none | no number | fails | fails | fails |
//! | open | number, count | count + 1 | alone, if the count is 0 and it is not SHARED | closing or leaving, count + 1 |
//! | alone | number, ALONE, count 1 | waits | fails | closing or leaving, ALONE, count 2 |
//! | closing | number, CLOSING, count > 0 | fails | fails | fails |
//! | leaving | number, LEAVING, count > 0 | fails | fails | fails |
//! | ending | number, CLOSING or LEAVING, count 0 | fails | fails | fails |
//!
//! Invariants:
//!
//! - The word owns the number until the state is "none". The `release` that brings the
//!   count to 0 ends that: in "closing" it closes the number, in "leaving" it leaves
//!   the number to its new owner. That happens once, and before the state becomes
//!   "none", so that a thread which waits for "none" finds the number free.
//! - Each use between `acquire` or `give_up` and its `release` adds one to the count.
//!   While the count is above 0, the number is not closed, so no call uses a number
//!   that the kernel has given to another file.
//! - In "closing" and "leaving" the count only falls.
//! - A number is SHARED from the moment at which anyone but its socket can know it, until the
//!   word has another number. `share` waits until no call uses the number alone. So a call
//!   that uses it alone is the only one of this process that does.
//! - The count belongs to the threads of one process. The word has the lowest bits of
//!   the [generation](super::fork) in which it was counted. In a child process a count
//!   of an earlier generation is 0. A descriptor that the parent was closing can be
//!   given up again, because its last user does not exist in the child. In a child, a
//!   word that was "ending" or "leaving" has no number.
//!
//! `models/` includes this file, with an `AtomicU64` that runs every interleaving.

use super::AtomicU64;
use std::sync::atomic::Ordering;

/// The number of a descriptor, or none, with a count of its uses.
pub(super) struct Word(AtomicU64);

/// Facts about a descriptor that go with it from owner to owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// It is bound to an address that was permitted.
    pub(crate) is_bound: bool,
    /// Others may know its number, or have a duplicate.
    pub(crate) is_shared: bool,
}

/// The end of a descriptor that is given up, once nobody uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GiveUp {
    /// The descriptor is closed.
    Close,
    /// The descriptor stays open, because the number has a new owner.
    Leave,
}

const CLOSING: u64 = 1 << 31;
const LEAVING: u64 = 1 << 30;
const GIVEN_UP: u64 = CLOSING | LEAVING;
/// Flag of a descriptor that bind(2) gave a permitted address, or that the host bound.
/// It is in the word so that no other descriptor inherits it.
const BOUND: u64 = 1 << 29;
/// Flag of a number that others may know. It is in the word for the same reason.
const SHARED: u64 = 1 << 19;
/// Flag of a number that one call uses alone.
const ALONE: u64 = 1 << 20;
/// Position of the generation's bits.
const GENERATION_SHIFT: u32 = 21;
const GENERATION: u64 = 0xff << GENERATION_SHIFT;
const COUNT: u64 = SHARED - 1;
/// The highest bit of the count.
const HALF: u64 = SHARED >> 1;
/// Sign of the number.
const NO_NUMBER: u64 = 1 << 63;
/// The upper half of a word without a number.
const NONE: u64 = 0xffff_ffff << 32;

fn number(word: u64) -> i32 {
    (word >> 32) as u32 as i32
}

/// Returns the bits of a word that is counted in `generation`.
#[inline]
fn bits(generation: u32) -> u64 {
    u64::from(generation & 0xff) << GENERATION_SHIFT
}

/// Returns the word for a process of `generation`: without the counts of an earlier
/// generation.
#[inline]
fn current(word: u64, generation: u32) -> u64 {
    if word & GENERATION == bits(generation) {
        word
    } else {
        word & !(GENERATION | ALONE | COUNT) | bits(generation)
    }
}

/// Returns true if a word has no number, or does not own it any more: at the fork the
/// parent process was giving the number to a new owner, or was in close(2), which may
/// have freed it.
fn is_vacant(word: u64, generation: u32) -> bool {
    let is_leaving = word & LEAVING != 0;
    let is_ending = word & CLOSING != 0 && word & COUNT == 0;
    number(word) < 0 || word & GENERATION != bits(generation) && (is_leaving || is_ending)
}

/// Returns true of the state "open" in which nearly every use finds the word: it is counted in
/// `generation`, by less than half of the most, and not alone.
#[inline(always)]
fn is_plain(word: u64, generation: u32) -> bool {
    word & (NO_NUMBER | GIVEN_UP | GENERATION | ALONE | HALF) == bits(generation)
}

/// Returns a word as it is in a process of `generation`; `None` if no use can begin.
#[cold]
fn usable(word: u64, generation: u32) -> Option<u64> {
    let seen = current(word, generation);
    let is_usable = number(seen) >= 0 && seen & GIVEN_UP == 0 && seen & COUNT != COUNT;
    is_usable.then_some(seen)
}

impl Word {
    /// Returns a word without a number.
    pub(super) fn none() -> Self {
        Self(AtomicU64::new(NONE))
    }

    /// Takes over `number`, unless there is another number, or a call still uses an earlier
    /// one.
    pub(super) fn install(&self, number: i32, facts: Facts, generation: u32) -> bool {
        let bound = if facts.is_bound { BOUND } else { 0 };
        let shared = if facts.is_shared { SHARED } else { 0 };
        let word = u64::from(number as u32) << 32 | bound | shared | bits(generation);
        let install = |before| is_vacant(before, generation).then_some(word);
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, install)
            .is_ok()
    }

    /// Begins a use of the number. `None` if there is no number, or it was given up. Calls
    /// `wait` while another call uses the number alone.
    #[inline(always)]
    pub(super) fn acquire(&self, generation: u32, mut wait: impl FnMut()) -> Option<i32> {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let seen = if is_plain(word, generation) {
                word
            } else {
                let seen = usable(word, generation)?;
                if seen & ALONE != 0 {
                    wait();
                    word = self.0.load(Ordering::Acquire);
                    continue;
                }
                seen
            };
            match self
                .0
                .compare_exchange_weak(word, seen + 1, Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) => return Some(number(word)),
                Err(now) => word = now,
            }
        }
    }

    /// Begins a use of the number while nobody else uses it or can know it; `None` if that
    /// cannot be.
    #[inline]
    pub(super) fn acquire_alone(&self, generation: u32) -> Option<i32> {
        let word = self.0.load(Ordering::Acquire);
        let seen = current(word, generation);
        if number(seen) < 0 || seen & (GIVEN_UP | SHARED | ALONE | COUNT) != 0 {
            return None;
        }
        let alone = (seen + 1) | ALONE;
        self.0
            .compare_exchange(word, alone, Ordering::Acquire, Ordering::Relaxed)
            .ok()
            .map(number)
    }

    /// Returns true if others may know the number.
    #[inline]
    pub(super) fn is_shared(&self) -> bool {
        self.0.load(Ordering::Relaxed) & SHARED != 0
    }

    /// Records that others may know the number. Returns it, -1 if there is none or it was
    /// given up. Calls `wait` while a call uses the number alone.
    pub(super) fn share(&self, generation: u32, mut wait: impl FnMut()) -> i32 {
        let mut word = self.0.load(Ordering::Acquire);
        if word & SHARED == 0 {
            word = self.0.fetch_or(SHARED, Ordering::AcqRel);
        }
        let shared = word;
        while current(word, generation) & ALONE != 0 {
            wait();
            word = self.0.load(Ordering::Acquire);
        }
        if shared & GIVEN_UP != 0 {
            return -1;
        }
        number(shared)
    }

    /// Ends a use that began in this process by `acquire`, or by `acquire_alone` if it
    /// `was_alone`. The last use of a number that is closing calls `close` with it, and
    /// returns the result.
    #[inline]
    pub(super) fn release<E>(
        &self,
        was_alone: bool,
        close: impl FnOnce(i32) -> Result<(), E>,
    ) -> Result<(), E> {
        let used = if was_alone { ALONE + 1 } else { 1 };
        let left = self.0.fetch_sub(used, Ordering::AcqRel) - used;
        if left & GIVEN_UP != 0 && left & COUNT == 0 {
            return self.end(left, close);
        }
        Ok(())
    }

    /// Ends the state "ending", which no other thread changes.
    #[cold]
    fn end<E>(&self, word: u64, close: impl FnOnce(i32) -> Result<(), E>) -> Result<(), E> {
        // The number first, because other threads wait until the word has none and expect
        // it to be free.
        let closed = if word & CLOSING != 0 {
            close(number(word))
        } else {
            Ok(())
        };
        self.0.store(NONE, Ordering::Release);
        closed
    }

    /// Gives the number up, if it is `only` or `only` is `None`: no new use can begin.
    /// Counts a use for the caller, so that the word keeps the number until `release`.
    /// `None` if there is no number, or it was given up.
    pub(super) fn give_up(&self, how: GiveUp, only: Option<i32>, generation: u32) -> Option<i32> {
        let flag = match how {
            GiveUp::Close => CLOSING,
            GiveUp::Leave => LEAVING,
        };
        let give_up = |word: u64| {
            let is_current = word & GENERATION == bits(generation);
            let is_free = word & GIVEN_UP == 0 || !is_current;
            let is_asked_for = only.is_none_or(|only| only == number(word));
            let seen = current(word, generation) & !GIVEN_UP;
            (!is_vacant(word, generation) && is_free && is_asked_for && seen & COUNT != COUNT)
                .then(|| (seen + 1) | flag)
        };
        let given_up = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, give_up);
        given_up.ok().map(number)
    }

    /// Returns the number; −1 if there is none, or it was given up.
    pub(super) fn number(&self) -> i32 {
        let word = self.0.load(Ordering::Acquire);
        if word & GIVEN_UP != 0 {
            return -1;
        }
        number(word)
    }

    /// Returns true if the word can take over a number.
    #[cfg(test)]
    pub(super) fn is_vacant(&self, generation: u32) -> bool {
        is_vacant(self.0.load(Ordering::Acquire), generation)
    }

    /// Returns true if a number that was given up is still in use.
    pub(super) fn is_given_up(&self, generation: u32) -> bool {
        let word = self.0.load(Ordering::Acquire);
        word & GIVEN_UP != 0 && word & GENERATION == bits(generation)
    }

    /// Returns true if a call uses the number alone.
    pub(super) fn is_used_alone(&self, generation: u32) -> bool {
        current(self.0.load(Ordering::Acquire), generation) & ALONE != 0
    }

    /// Returns true if the number is bound to an address that was permitted.
    pub(super) fn is_bound(&self) -> bool {
        self.0.load(Ordering::Acquire) & BOUND != 0
    }

    /// Records that the number is bound to an address that was permitted. The caller must
    /// have a use of the number, so that the word has no other number.
    pub(super) fn set_bound(&self) {
        self.0.fetch_or(BOUND, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Makes a word with the number 7 that the parent process uses twice.
    fn used_by_parent() -> Word {
        let word = Word::none();
        assert!(word.install(7, BOUND_FD, PARENT));
        assert_eq!(
            (acquire(&word, PARENT), acquire(&word, PARENT)),
            (Some(7), Some(7))
        );
        word
    }

    const BOUND_FD: Facts = Facts {
        is_bound: true,
        is_shared: false,
    };

    const PARENT: u32 = 255;
    const CHILD: u32 = PARENT + 1;

    /// Begins a use of a number that no call uses alone.
    fn acquire(word: &Word, generation: u32) -> Option<i32> {
        word.acquire(generation, || panic!("it waits"))
    }

    /// Ends a use; returns the number that was closed.
    fn release(word: &Word) -> Option<i32> {
        let closed = Cell::new(None);
        word.release(false, |number| {
            assert_eq!(closed.replace(Some(number)), None);
            Ok::<(), ()>(())
        })
        .unwrap();
        closed.get()
    }

    #[test]
    fn a_call_is_alone_while_nobody_else_can_use_the_number() {
        let word = Word::none();
        assert_eq!(word.acquire_alone(PARENT), None);
        assert!(word.install(7, Facts::default(), PARENT));
        assert_eq!(acquire(&word, PARENT), Some(7));
        assert_eq!(word.acquire_alone(PARENT), None);
        assert_eq!(release(&word), None);

        assert_eq!(word.acquire_alone(PARENT), Some(7));
        assert_eq!(word.acquire_alone(PARENT), None);
        // Others wait for the end of the call, and go on then.
        let release_alone = || word.release(true, |_| Err(())).unwrap();
        assert_eq!(word.acquire(PARENT, release_alone), Some(7));
        assert_eq!(release(&word), None);
        assert_eq!(word.acquire_alone(PARENT), Some(7));
        assert_eq!(word.share(PARENT, release_alone), 7);
        assert_eq!(word.acquire_alone(PARENT), None);
        assert_eq!((acquire(&word, PARENT), word.is_shared()), (Some(7), true));
    }

    #[test]
    fn the_last_call_closes_the_number_whoever_was_alone() {
        let word = Word::none();
        assert!(word.install(7, Facts::default(), PARENT));
        assert_eq!(word.acquire_alone(PARENT), Some(7));
        assert_eq!(word.give_up(GiveUp::Close, None, PARENT), Some(7));
        assert_eq!((acquire(&word, PARENT), word.number()), (None, -1));
        assert_eq!(release(&word), None);
        assert_eq!(word.release(true, Err), Err(7));
        assert_eq!(word.share(PARENT, || panic!("it waits")), -1);
        // The next number is not shared.
        assert!(word.install(8, Facts::default(), PARENT));
        assert_eq!(word.acquire_alone(PARENT), Some(8));
    }

    #[test]
    fn a_child_does_not_wait_for_a_call_that_was_alone_in_its_parent() {
        let word = Word::none();
        assert!(word.install(7, Facts::default(), PARENT));
        assert_eq!(word.acquire_alone(PARENT), Some(7));
        assert_eq!(word.share(CHILD, || panic!("it waits")), 7);
        assert_eq!(acquire(&word, CHILD), Some(7));
    }

    #[test]
    fn a_child_does_not_count_the_uses_of_its_parent() {
        let word = used_by_parent();
        assert_eq!(acquire(&word, CHILD), Some(7));
        assert_eq!(word.give_up(GiveUp::Close, None, CHILD), Some(7));
        assert!(word.is_given_up(CHILD) && word.is_bound());
        assert_eq!((release(&word), release(&word)), (None, Some(7)));
        assert!(word.is_vacant(CHILD));
    }

    #[test]
    fn a_child_closes_what_its_parent_was_closing() {
        let word = used_by_parent();
        assert_eq!(word.give_up(GiveUp::Close, None, PARENT), Some(7));
        assert!(word.is_given_up(PARENT) && !word.is_given_up(CHILD));
        assert_eq!(acquire(&word, CHILD), None);
        assert!(!word.install(8, Facts::default(), CHILD));
        // Another number than the one asked for stays as it is.
        assert_eq!(word.give_up(GiveUp::Close, Some(8), CHILD), None);
        assert_eq!(acquire(&word, CHILD), None);
        assert_eq!(word.give_up(GiveUp::Close, Some(7), CHILD), Some(7));
        assert_eq!(word.give_up(GiveUp::Close, Some(7), CHILD), None);
        assert_eq!(release(&word), Some(7));
    }

    #[test]
    fn a_child_does_not_close_what_its_parent_was_leaving() {
        let word = used_by_parent();
        assert_eq!(word.give_up(GiveUp::Leave, None, PARENT), Some(7));
        assert_eq!(acquire(&word, CHILD), None);
        assert_eq!(word.give_up(GiveUp::Close, None, CHILD), None);
        assert!(word.install(8, Facts::default(), CHILD) && !word.is_bound());
        assert_eq!(acquire(&word, CHILD), Some(8));
    }

    /// The parent's close(2) may have freed the number, and the kernel may have given it
    /// to another socket before the fork.
    #[test]
    fn a_child_does_not_close_a_number_that_its_parent_may_have_closed() {
        let word = Word::none();
        assert!(word.install(7, Facts::default(), PARENT));
        assert_eq!(word.give_up(GiveUp::Close, None, PARENT), Some(7));
        let in_child = || {
            assert_eq!(acquire(&word, CHILD), None);
            assert_eq!(word.give_up(GiveUp::Close, None, CHILD), None);
            assert!(word.is_vacant(CHILD) && !word.is_given_up(CHILD));
        };
        let closed = word.release(false, |number| {
            in_child();
            Err(number)
        });
        assert_eq!(closed, Err(7));
        assert!(word.is_vacant(PARENT));
    }
}
