//! The one loop that waits.
//!
//! Every call that can block is an attempt that cannot: the loop tries, and
//! waits only after the kernel said EAGAIN. EINTR, signal handlers, deadlines,
//! interruption and close-while-blocked are here and nowhere else.

use super::socket::still_open;
use super::waker::{Interrupter, Waker};
use super::{Clock, Error, Host, Socket, Timeout};
use crate::sys::descriptor::Use;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// What a socket has to be ready for before the next attempt (poll(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    Read,
    Write,
    /// Only an error can be waiting: the error queue (MSG_ERRQUEUE).
    Error,
    /// Urgent data (MSG_OOB).
    Urgent,
    /// poll(2) cannot tell; look again after a while.
    Unknown,
}

impl Ready {
    fn events(self) -> PollFlags {
        match self {
            Self::Read => PollFlags::POLLIN,
            Self::Write => PollFlags::POLLOUT,
            Self::Urgent => PollFlags::POLLPRI,
            // POLLERR and POLLHUP are always reported.
            Self::Error | Self::Unknown => PollFlags::empty(),
        }
    }
}

/// How long to look away when poll(2) calls a socket ready and the attempt
/// says EAGAIN again, or when there is nothing to poll for.
const PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Runs `attempt` until it succeeds or fails for good.
///
/// `attempt` must not block: MSG_DONTWAIT, or a descriptor that cannot make it
/// wait. Between attempts the loop waits for `ready`, for as long as `clock`
/// allows. EBADF if the socket is closed meanwhile.
#[inline]
pub(crate) fn run<T>(
    host: &impl Host,
    socket: &Socket,
    clock: &mut Clock,
    ready: Ready,
    mut attempt: impl FnMut(BorrowedFd<'_>) -> Result<T, Errno>,
) -> Result<T, Error> {
    let call = socket.begin()?;
    match attempt(call.fd()) {
        Ok(done) => Ok(done),
        Err(errno) => persist(host, socket, &call, clock, ready, errno, &mut attempt),
    }
}

/// The rest of [`run`] after a first attempt that failed.
#[cold]
fn persist<T>(
    host: &impl Host,
    socket: &Socket,
    call: &Use<'_>,
    clock: &mut Clock,
    ready: Ready,
    mut errno: Errno,
    attempt: &mut dyn FnMut(BorrowedFd<'_>) -> Result<T, Errno>,
) -> Result<T, Error> {
    let mut waiting = Waiting::new(&socket.interrupter);
    loop {
        match errno {
            Errno::EINTR => host.check_signals()?,
            Errno::EAGAIN if clock.timeout() != Timeout::Zero => {
                waiting.wait(host, socket, call, clock, ready)?;
            }
            errno => return Err(errno.into()),
        }
        still_open(call)?;
        match attempt(call.fd()) {
            Ok(done) => return Ok(done),
            Err(next) => errno = next,
        }
    }
}

/// Waits until `socket` is `ready`, whatever the attempt would say. For calls
/// that must not be repeated, such as connect(2).
pub(crate) fn wait(
    host: &impl Host,
    socket: &Socket,
    call: &Use<'_>,
    clock: &mut Clock,
    ready: Ready,
) -> Result<(), Error> {
    Waiting::new(&socket.interrupter).wait(host, socket, call, clock, ready)
}

/// Waits until `done` is true, for whatever rings this thread's [`Waker`]
/// when it may have become so.
pub(crate) fn until(
    host: &impl Host,
    interrupter: &Interrupter,
    clock: &mut Clock,
    mut done: impl FnMut() -> bool,
) -> Result<(), Error> {
    let generation = interrupter.generation();
    let waker = Waker::current()?;
    let _interruptible = interrupter.waiters.register(&waker);
    loop {
        if done() {
            return Ok(());
        }
        if interrupter.generation() != generation {
            return Err(Error::Interrupted);
        }
        let left = clock.remaining()?;
        if poll(host, None, &waker, left)? == Woken::Bell {
            waker.clear();
        }
    }
}

/// One call's waits: how often it was told "ready" in vain.
struct Waiting<'a> {
    interrupter: &'a Interrupter,
    generation: u64,
    pause: Option<Duration>,
}

impl<'a> Waiting<'a> {
    fn new(interrupter: &'a Interrupter) -> Self {
        Self {
            interrupter,
            generation: interrupter.generation(),
            pause: None,
        }
    }

    fn wait(
        &mut self,
        host: &impl Host,
        socket: &Socket,
        call: &Use<'_>,
        clock: &mut Clock,
        ready: Ready,
    ) -> Result<(), Error> {
        let waker = Waker::current()?;
        let _closable = socket.waiters.register(&waker);
        let _interruptible = self.interrupter.waiters.register(&waker);
        loop {
            // Looked at after registering: whoever closes or interrupts from
            // here on finds this thread on the list.
            still_open(call)?;
            if self.interrupter.generation() != self.generation {
                return Err(Error::Interrupted);
            }
            let left = clock.remaining()?;
            let (fd, left) = match self.pause {
                // Ready in vain twice: a pause, or this loop would spin.
                Some(pause) => (None, Some(left.map_or(pause, |left| left.min(pause)))),
                None if ready == Ready::Unknown => (None, Some(PAUSE)),
                None => (Some((call.fd(), ready.events())), left),
            };
            match poll(host, fd, &waker, left)? {
                Woken::Ready => {
                    self.pause = Some(PAUSE);
                    return Ok(());
                }
                Woken::Elapsed if fd.is_none() => {
                    self.pause = match self.pause {
                        Some(pause) if pause < LONGEST_PAUSE => Some(pause * 2),
                        Some(pause) => Some(pause),
                        None => Some(PAUSE),
                    };
                    return Ok(());
                }
                Woken::Bell => waker.clear(),
                Woken::Elapsed | Woken::Signal => {}
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Woken {
    Ready,
    Elapsed,
    Bell,
    Signal,
}

/// poll(2) of a socket, if any, and this thread's bell; then signal handlers.
fn poll(
    host: &impl Host,
    fd: Option<(BorrowedFd<'_>, PollFlags)>,
    waker: &Waker,
    timeout: Option<Duration>,
) -> Result<Woken, Error> {
    let timeout = timeout.map(TimeSpec::from_duration);
    let bell = PollFd::new(waker.fd(), PollFlags::POLLIN);
    let woken = host.detached(|| {
        let polled = match fd {
            Some((fd, events)) => {
                let mut fds = [bell, PollFd::new(fd, events)];
                ppoll(&mut fds, timeout, None).map(|n| (n, fds[0].any() == Some(true)))
            }
            None => {
                let mut fds = [bell];
                ppoll(&mut fds, timeout, None).map(|n| (n, n > 0))
            }
        };
        match polled {
            Ok((0, _)) => Ok(Woken::Elapsed),
            Ok((_, true)) => Ok(Woken::Bell),
            Ok(_) => Ok(Woken::Ready),
            Err(Errno::EINTR) => Ok(Woken::Signal),
            Err(errno) => Err(Error::Errno(errno)),
        }
    })?;
    if woken == Woken::Signal {
        host.check_signals()?;
    }
    Ok(woken)
}
