//! The signal that ends another thread's wait, and waits that miss no signal.
//!
//! A thread that waits blocks all signals, checks every reason to end the wait, and
//! unblocks the signals only inside ppoll(2). A signal that was sent in between is
//! pending and ends the ppoll at once. None of this needs a descriptor.
//!
//! Some system calls have no flag not to block (accept(2), connect(2), sendfile(2)), or
//! block although poll(2) reported readiness. A timer of the thread interrupts such a
//! call at intervals ([`Interval`]; `net::call` chooses 20 ms), and the thread checks
//! again. So a signal that came just before the call entered the kernel is not lost;
//! the call ends one interval later at most. A call that uses its descriptor alone needs no
//! timer ([`descriptor`](super::descriptor)).
//!
//! The signal is SIGURG, or the highest free real-time signal if the process handles
//! SIGURG, or the signal that the host chooses. Its handler only counts; the effect is
//! EINTR. As in Go's runtime it is SIGURG for three reasons: hardly any program uses
//! it; it is harmless if a program removes the handler, because it is ignored by
//! default; and the kernel always accepts it, while it refuses a real-time signal at
//! RLIMIT_SIGPENDING.

use nix::errno::Errno;
use nix::libc;
use nix::poll::PollFd;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

use super::fork;

/// The number of the signal; 0 until it is chosen.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

thread_local! {
    /// Number of wake-up signals that this thread has had. It has no destructor and needs
    /// no initialisation, so that a signal handler may use it.
    static WAKE_UPS: AtomicU32 = const { AtomicU32::new(0) };
}

extern "C" fn count_wake_up(_: libc::c_int) {
    WAKE_UPS.with(|count| count.fetch_add(1, Ordering::Relaxed));
}

/// Returns a number that changes whenever the calling thread has a wake-up signal.
pub(crate) fn wake_ups() -> u32 {
    WAKE_UPS.with(|count| count.load(Ordering::Relaxed))
}

/// Returns true, after an EINTR, if only other signals have interrupted the thread
/// since [`wake_ups`] was `before`. False if the program has its own handler for the
/// wake-up signal, because that handler does not count.
#[cold]
pub(crate) fn had_other_signal(before: u32) -> bool {
    before == wake_ups()
        && signal().is_none_or(|signal| handler_of(signal) == Some(address(count_wake_up)))
}

/// Returns a handler's address for sigaction(2).
fn address(handler: extern "C" fn(libc::c_int)) -> libc::sighandler_t {
    handler as *const () as libc::sighandler_t
}

fn handler_of(signal: i32) -> Option<libc::sighandler_t> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the kernel writes the action; a bad number is EINVAL.
    let result = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: written, and all zeros before.
    (result == 0).then(|| unsafe { action.assume_init() }.sa_sigaction)
}

fn install(signal: i32) -> Result<(), Errno> {
    // SAFETY: all zeros is a valid action, without SA_RESTART: system calls end.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = address(count_wake_up);
    // A thread may have a stack of its own for signals, because its other one is small.
    action.sa_flags = libc::SA_ONSTACK;
    // SAFETY: the handler changes an atomic counter, which is safe anywhere.
    Errno::result(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) }).map(drop)
}

/// Uses `signal` from now on, and replaces the process's handler for it. EINVAL if
/// another signal was chosen already, or if the number is no signal.
pub(crate) fn choose(signal: i32) -> Result<(), Errno> {
    match SIGNAL.compare_exchange(0, signal, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => install(signal).inspect_err(|_| SIGNAL.store(0, Ordering::Release)),
        Err(chosen) if chosen == signal => Ok(()),
        Err(_) => Err(Errno::EINVAL),
    }
}

/// Returns the signal, and chooses it if none was chosen; `None` if the process uses
/// all of them.
fn signal() -> Option<i32> {
    match SIGNAL.load(Ordering::Acquire) {
        0 => choose_free(),
        signal => Some(signal),
    }
}

/// Chooses SIGURG, or else the highest real-time signal that has its default
/// disposition, except the last one, which valgrind uses.
#[cold]
fn choose_free() -> Option<i32> {
    let real_time = (libc::SIGRTMIN()..libc::SIGRTMAX()).rev();
    for signal in std::iter::once(libc::SIGURG).chain(real_time) {
        if handler_of(signal) == Some(libc::SIG_DFL) {
            return match choose(signal) {
                Ok(()) => Some(signal),
                // Another thread was faster.
                Err(_) => Some(SIGNAL.load(Ordering::Acquire)).filter(|&signal| signal != 0),
            };
        }
    }
    None
}

/// Installs the handler again if the program removed it, because without it the signal
/// would end the process or be ignored. A handler of the program itself stays, because
/// it interrupts system calls, too.
fn ensure_handler(signal: i32) -> bool {
    match handler_of(signal) {
        Some(libc::SIG_DFL | libc::SIG_IGN) => install(signal).is_ok(),
        // An error of sigaction(2) is no reason to lose a wake-up.
        Some(_) | None => true,
    }
}

/// Number of attempts to send a signal.
const SEND_ATTEMPTS: u32 = 100;

/// A thread whose system calls can be interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thread(libc::pthread_t);

impl Thread {
    /// Returns the calling thread.
    pub(crate) fn current() -> Self {
        // In a library that is loaded later, the first use may allocate, which the signal
        // handler must not.
        wake_ups();
        // SAFETY: no arguments, always succeeds.
        Self(unsafe { libc::pthread_self() })
    }

    /// Interrupts the system call that the thread is in, or its next [`poll`].
    ///
    /// The thread must not have ended. Callers hold a lock that the thread takes before it
    /// ends.
    pub(crate) fn interrupt(self) {
        let Some(signal) = signal() else {
            return;
        };
        for _ in 0..SEND_ATTEMPTS {
            // SAFETY: the thread is alive, as the caller guarantees.
            if ensure_handler(signal) && unsafe { libc::pthread_kill(self.0, signal) } == 0 {
                return;
            }
            // The kernel has no room for the signal (EAGAIN, RLIMIT_SIGPENDING).
            pause(Duration::from_micros(100));
        }
    }
}

/// Sleeps for `time`, or until a signal comes (nanosleep(2)).
///
/// `std::thread::sleep` goes on after a signal with what the kernel says is left. That
/// includes the timer's slack, so that it never ends while signals come faster.
pub(crate) fn pause(time: Duration) {
    let time = timespec(time);
    // SAFETY: the time is valid, and the rest is not asked for.
    unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
}

thread_local! {
    /// The thread's mask without that of its outermost [`BlockedSignals`].
    static OUTER_MASK: Cell<Option<libc::sigset_t>> = const { Cell::new(None) };
}

/// Blocks all signals of the calling thread while it lives.
pub(crate) struct BlockedSignals {
    before: libc::sigset_t,
    /// The mask for the poll. It is another one than `before` in a signal handler that ran
    /// between two checks of an outer wait.
    outer: libc::sigset_t,
    is_outermost: bool,
    /// The mask is that of this thread.
    _of_this_thread: PhantomData<*const ()>,
}

/// Restores the mask of a child process, which a signal handler has forked with signals
/// blocked.
pub(super) fn unblock_in_child() {
    if let Some(mask) = OUTER_MASK.get() {
        restore_mask(&mask);
    }
}

impl BlockedSignals {
    /// Blocks all signals (pthread_sigmask(3)).
    pub(crate) fn new() -> Result<Self, Errno> {
        let mut all = no_signals();
        // SAFETY: the set is valid.
        unsafe { libc::sigfillset(&raw mut all) };
        let before = change_mask(libc::SIG_SETMASK, &all)?;
        let outer = OUTER_MASK.get();
        if outer.is_none() {
            OUTER_MASK.set(Some(before));
        }
        Ok(Self {
            before,
            outer: outer.unwrap_or(before),
            is_outermost: outer.is_none(),
            _of_this_thread: PhantomData,
        })
    }

    /// Waits until one of `fds` is ready, `timeout` is over, or a signal comes (ppoll(2)).
    /// EINTR also if the signal came since the signals were blocked.
    pub(crate) fn poll(
        &self,
        fds: &mut [PollFd<'_>],
        timeout: Option<Duration>,
    ) -> Result<usize, Errno> {
        let mut mask = self.outer;
        if let Some(signal) = signal() {
            // SAFETY: the set is valid.
            unsafe { libc::sigdelset(&raw mut mask, signal) };
        }
        let timeout = timeout.map(timespec);
        let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: PollFd has the layout of pollfd; the other pointers are valid
        // or null.
        let ready = unsafe {
            libc::ppoll(
                fds.as_mut_ptr().cast(),
                fds.len() as libc::nfds_t,
                timeout,
                &raw const mask,
            )
        };
        Errno::result(ready).map(|ready| ready as usize)
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        if self.is_outermost {
            OUTER_MASK.set(None);
        }
        restore_mask(&self.before);
    }
}

fn no_signals() -> libc::sigset_t {
    // SAFETY: zeros are the empty set.
    unsafe { std::mem::zeroed() }
}

/// Returns the set of one signal.
pub(super) fn set_of(signal: i32) -> libc::sigset_t {
    let mut set = no_signals();
    // SAFETY: the set is valid; a bad number leaves it empty.
    unsafe { libc::sigaddset(&raw mut set, signal) };
    set
}

/// Changes the calling thread's signal mask; returns the former mask.
pub(super) fn change_mask(how: libc::c_int, set: &libc::sigset_t) -> Result<libc::sigset_t, Errno> {
    let mut before = no_signals();
    // SAFETY: both sets are valid.
    match unsafe { libc::pthread_sigmask(how, set, &raw mut before) } {
        0 => Ok(before),
        errno => Err(Errno::from_raw(errno)),
    }
}

/// Restores a signal mask. Tries again on failure, because the thread must not be left
/// with signals blocked; only an injected error makes it fail.
pub(super) fn restore_mask(before: &libc::sigset_t) {
    for _ in 0..10 {
        // SAFETY: the mask is one that the thread has had.
        if unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, ptr::null_mut()) } == 0 {
            return;
        }
    }
}

pub(super) fn contains(set: &libc::sigset_t, signal: i32) -> bool {
    // SAFETY: the set is valid; a bad number is −1.
    unsafe { libc::sigismember(set, signal) == 1 }
}

fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

thread_local! {
    static TIMER: RefCell<Option<Timer>> = const { RefCell::new(None) };
}

/// A timer that interrupts the thread that made it (timer_create(2)).
struct Timer {
    id: libc::timer_t,
    signal: i32,
    /// Generation of the process that made the timer, because a child does not inherit
    /// timers.
    generation: u32,
}

impl Timer {
    fn new(signal: i32) -> Result<Self, Errno> {
        fork::watch();
        // SAFETY: all zeros is a valid event.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        // SAFETY: no arguments, always succeeds.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut id = MaybeUninit::<libc::timer_t>::uninit();
        // SAFETY: the pointers are valid for the call.
        Errno::result(unsafe {
            libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, id.as_mut_ptr())
        })?;
        Ok(Self {
            // SAFETY: filled in.
            id: unsafe { id.assume_init() },
            signal,
            generation: fork::generation(),
        })
    }

    /// Interrupts after every `interval` from now on; stops if it is zero.
    fn set(&self, interval: Duration) -> Result<(), Errno> {
        let time = libc::itimerspec {
            it_interval: timespec(interval),
            it_value: timespec(interval),
        };
        // SAFETY: the timer is this process's and was not deleted.
        let set = unsafe { libc::timer_settime(self.id, 0, &raw const time, ptr::null_mut()) };
        Errno::result(set).map(drop)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if self.generation == fork::generation() {
            // SAFETY: the timer is this process's and was not deleted.
            unsafe { libc::timer_delete(self.id) };
        }
    }
}

/// Interrupts the system calls of the calling thread at intervals while it lives.
pub(crate) struct Interval {
    /// The mask to restore, if the thread had blocked the signal.
    before: Option<libc::sigset_t>,
    /// The timer and the mask are those of this thread.
    _of_this_thread: PhantomData<*const ()>,
}

/// The shortest interval. With a shorter one a thread might do nothing but run the
/// handler.
const SHORTEST: Duration = Duration::from_millis(1);

impl Interval {
    /// Begins to interrupt, first after `interval`, but not before [`SHORTEST`]. Fails, for
    /// example with EAGAIN, if the process can have no timer, or has no free signal.
    pub(crate) fn start(interval: Duration) -> Result<Self, Errno> {
        let interval = interval.max(SHORTEST);
        let signal = signal().ok_or(Errno::EAGAIN)?;
        if !ensure_handler(signal) {
            return Err(Errno::EAGAIN);
        }
        let set = TIMER.try_with(|timer| {
            let mut timer = timer.borrow_mut();
            if let Some(timer) = &*timer
                && timer.generation == fork::generation()
                && timer.signal == signal
            {
                return timer.set(interval);
            }
            timer.insert(Timer::new(signal)?).set(interval)
        });
        // A thread that is ending has no timer any more.
        set.unwrap_or(Err(Errno::EAGAIN))?;
        let mut started = Self {
            before: None,
            _of_this_thread: PhantomData,
        };
        let before = change_mask(libc::SIG_UNBLOCK, &set_of(signal))?;
        started.before = contains(&before, signal).then_some(before);
        Ok(started)
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        // A signal that was sent is delivered before this returns, so that it cannot
        // interrupt a later system call.
        let _ = TIMER.try_with(|timer| {
            let mut timer = timer.borrow_mut();
            let stopped = timer.as_ref().map(|timer| timer.set(Duration::ZERO));
            if matches!(stopped, Some(Err(_))) {
                // Deleting the timer stops it, too.
                *timer = None;
            }
        });
        if let Some(before) = &self.before {
            restore_mask(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::MessageFlags;
    use crate::sys::fork::testing::in_child;
    use crate::sys::socket::SocketSpec;
    use std::sync::mpsc::channel;
    use std::time::Instant;

    #[test]
    fn a_signal_before_the_poll_ends_it() {
        let blocked = BlockedSignals::new().unwrap();
        Thread::current().interrupt();
        let long = Some(Duration::from_secs(60));
        assert_eq!(blocked.poll(&mut [], long), Err(Errno::EINTR));
        let short = Some(Duration::from_millis(1));
        assert_eq!(blocked.poll(&mut [], short), Ok(0));
    }

    #[test]
    fn signals_do_not_change_what_a_socket_is_ready_for() {
        use crate::sys::socket::{has_ended, has_failed, is_readable, may_block};
        use std::os::fd::AsFd;
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        // Full, so that it is ready for nothing.
        socket.set_nonblocking(true).unwrap();
        while nix::unistd::write(&socket, &[0; 1 << 16]).is_ok() {}
        socket.set_nonblocking(false).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        let thread = Thread::current();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    thread.interrupt();
                }
            });
            let fd = socket.as_fd();
            let wrong = (0..50_000)
                .find(|_| has_ended(fd) || has_failed(fd) || is_readable(fd) || !may_block(fd));
            done.store(true, Ordering::Relaxed);
            assert_eq!(wrong, None);
        });
    }

    #[test]
    fn a_thread_that_blocks_all_signals_is_interrupted_too() {
        let (sender, receiver) = channel();
        let sleeper = std::thread::spawn(move || {
            nix::sys::signal::SigSet::all().thread_block().unwrap();
            let blocked = BlockedSignals::new().unwrap();
            sender.send(Thread::current()).unwrap();
            blocked.poll(&mut [], Some(Duration::from_secs(60)))
        });
        receiver.recv().unwrap().interrupt();
        assert_eq!(sleeper.join().unwrap(), Err(Errno::EINTR));
    }

    #[test]
    fn an_interval_interrupts_a_call_that_blocks() {
        for blocks_signals in [false, true] {
            if blocks_signals {
                nix::sys::signal::SigSet::all().thread_block().unwrap();
            }
            let (a, _b) =
                super::super::socket::socketpair(SocketSpec::new(libc::AF_UNIX, libc::SOCK_STREAM))
                    .unwrap();
            let start = Instant::now();
            let interval = Interval::start(Duration::from_millis(2)).unwrap();
            for _ in 0..3 {
                let fd = std::os::fd::AsFd::as_fd(&a);
                let received = super::super::receive::recv(fd, &mut [0], MessageFlags::NONE);
                assert_eq!(received, Err(Errno::EINTR));
            }
            drop(interval);
            assert!(start.elapsed() >= Duration::from_millis(6));
        }
    }

    #[test]
    fn an_interval_lets_its_thread_get_on() {
        for _ in 0..100 {
            let _interval = Interval::start(Duration::from_nanos(1)).unwrap();
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    #[test]
    fn a_pause_ends_however_fast_signals_come() {
        let (sender, receiver) = channel();
        let paused = std::thread::spawn(move || {
            sender.send(Thread::current()).unwrap();
            for _ in 0..1000 {
                pause(Duration::from_micros(50));
            }
        });
        let thread = receiver.recv().unwrap();
        let start = Instant::now();
        while !paused.is_finished() {
            // The thread is there until it is joined.
            thread.interrupt();
            assert!(start.elapsed() < Duration::from_secs(60));
        }
        paused.join().unwrap();
    }

    #[test]
    fn a_handler_that_was_taken_away_is_put_back() {
        let signal = signal().unwrap();
        // In a process of its own, because other tests need the handler.
        in_child(|| {
            [libc::SIG_DFL, libc::SIG_IGN].into_iter().all(|handler| {
                // SAFETY: what is tested puts it back.
                unsafe { libc::signal(signal, handler) };
                let blocked = BlockedSignals::new().unwrap();
                Thread::current().interrupt();
                blocked.poll(&mut [], Some(Duration::from_secs(60))) == Err(Errno::EINTR)
            })
        });
    }

    #[test]
    fn a_handler_of_the_programs_own_leaves_open_which_signal_came() {
        extern "C" fn own(_: libc::c_int) {}
        let signal = signal().unwrap();
        in_child(|| {
            let before = wake_ups();
            let other_alone = had_other_signal(before);
            // SAFETY: the handler does nothing.
            unsafe { libc::signal(signal, address(own)) };
            let blocked = BlockedSignals::new().unwrap();
            Thread::current().interrupt();
            let ended = blocked.poll(&mut [], Some(Duration::from_secs(60)));
            other_alone && ended == Err(Errno::EINTR) && !had_other_signal(before)
        });
    }
}
