//! The one loop that waits.
//!
//! Every call that can block is an attempt that cannot: the loop tries, and
//! waits only after the kernel said EAGAIN. EINTR, signal handlers, deadlines,
//! interruption and close-while-blocked are here and nowhere else.

use super::{Clock, Control, Error, Host, Limit, Socket, Timeout, Waker};
use crate::sys;
use crate::sys::descriptor::Use;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::sys::time::TimeSpec;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// What a socket has to be ready for before the next attempt (poll(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    Read,
    Write,
    Either,
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
            Self::Either => PollFlags::POLLIN | PollFlags::POLLOUT,
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

/// How long a call waits at first, without the preparations of a longer wait.
const GLANCE: Duration = Duration::from_millis(1);

/// Why an attempt came to no end, and whether it got on: EAGAIN after a part has
/// come or gone is no sign of a socket that is ready in vain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub(super) errno: Errno,
    pub(super) moved: bool,
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        let moved = false;
        Self { errno, moved }
    }
}

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
    run_on(host, socket, clock, ready, |fd| Ok(attempt(fd)?))
}

/// As [`run`], for attempts that may get on and still not be at the end.
#[inline]
pub(super) fn run_on<T>(
    host: &impl Host,
    socket: &Socket,
    clock: &mut Clock,
    ready: Ready,
    mut attempt: impl FnMut(BorrowedFd<'_>) -> Result<T, Stop>,
) -> Result<T, Error> {
    permit(socket, ready)?;
    let call = socket.begin()?;
    match attempt(call.fd()) {
        Ok(done) => Ok(done),
        Err(stop) => persist(host, socket, &call, clock, ready, stop, &mut attempt),
    }
}

/// Whether the host's limits let more bytes come or go.
#[inline]
fn permit(socket: &Socket, ready: Ready) -> Result<(), Limit> {
    let limits = &socket.control.limits;
    match ready {
        Ready::Write => limits.may_send(),
        Ready::Unknown => Ok(()),
        _ => limits.may_receive(),
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
    mut stop: Stop,
    attempt: &mut dyn FnMut(BorrowedFd<'_>) -> Result<T, Stop>,
) -> Result<T, Error> {
    let mut waiting = Waiting::default();
    let mut glanced = ready == Ready::Unknown;
    let mut blocking = clock.timeout() == Timeout::Never;
    loop {
        if stop.moved {
            // Bytes came or went: the wait before was not in vain, and the
            // limits may have been reached.
            waiting = Waiting::default();
            glanced = ready == Ready::Unknown;
            permit(socket, ready)?;
            stop.moved = false;
        }
        match stop.errno {
            Errno::EINTR => host.check_signals()?,
            errno @ Errno::EAGAIN if clock.timeout() == Timeout::Zero => return Err(errno.into()),
            Errno::EAGAIN if !glanced => {
                glanced = true;
                if !waiting.glance(host, socket, call, clock, ready)? {
                    // Not ready: there is nothing to try before a longer wait.
                    continue;
                }
            }
            Errno::EAGAIN => {
                if blocking {
                    blocking = false;
                    wait_like_the_kernel(call, clock, ready)?;
                }
                waiting.wait(host, socket, call, clock, ready)?;
            }
            errno => return Err(errno.into()),
        }
        still_open(socket, call, clock)?;
        match attempt(call.fd()) {
            Ok(done) => return Ok(done),
            Err(next) => stop = next,
        }
    }
}

/// What an attempt came to that may have to wait for either direction.
pub(crate) enum Step<T> {
    Done(T),
    Wait(Ready),
}

/// As [`run`], for a protocol that reads in order to write and writes in order
/// to read: each attempt says what it waits for. It moves bytes by calls of
/// [`run`], and must not block either.
pub(crate) fn alternate<T>(
    host: &impl Host,
    socket: &Socket,
    clock: &mut Clock,
    mut attempt: impl FnMut() -> Result<Step<T>, Error>,
) -> Result<T, Error> {
    let call = socket.begin()?;
    let mut waiting = Waiting::default();
    let mut glanced = false;
    loop {
        let before = socket.moved();
        let ready = match attempt()? {
            Step::Done(done) => return Ok(done),
            Step::Wait(ready) => ready,
        };
        if socket.moved() != before {
            // Bytes came or went: this is not the wait that was in vain.
            waiting = Waiting::default();
            glanced = false;
        }
        if glanced {
            waiting.wait(host, socket, &call, clock, ready)?;
        } else {
            glanced = true;
            waiting.glance(host, socket, &call, clock, ready)?;
        }
        still_open(socket, &call, clock)?;
    }
}

/// What a blocking call would do: fail on a descriptor that somebody else made
/// non-blocking, and keep the kernel's own timeouts.
fn wait_like_the_kernel(call: &Use<'_>, clock: &mut Clock, ready: Ready) -> Result<(), Error> {
    if sys::socket::is_nonblocking(call.fd())? {
        return Err(Errno::EAGAIN.into());
    }
    let option = match ready {
        Ready::Write => libc::SO_SNDTIMEO,
        _ => libc::SO_RCVTIMEO,
    };
    if let Some(timeout) = sys::sockopt::get_duration(call.fd(), option)? {
        clock.expire_like_the_kernel(timeout);
    }
    Ok(())
}

/// Waits until `socket` is `ready`, whatever the attempt would say. For
/// connect(2), which tells how it ended by other means than being repeated.
pub(crate) fn wait(
    host: &impl Host,
    socket: &Socket,
    call: &Use<'_>,
    clock: &mut Clock,
    ready: Ready,
) -> Result<(), Error> {
    let mut waiting = Waiting::default();
    while waiting.wait(host, socket, call, clock, ready)? == Woken::Bell {}
    Ok(())
}

/// Waits until `done` is true, for whatever rings this thread's [`Waker`]
/// when it may have become so.
pub(crate) fn until(
    host: &impl Host,
    control: &Control,
    clock: &mut Clock,
    mut done: impl FnMut() -> bool,
) -> Result<(), Error> {
    let waker = Waker::current()?;
    let _interruptible = control.waiters.register(&waker);
    loop {
        if done() {
            return Ok(());
        }
        let left = control.check(clock.generation, clock.remaining()?)?;
        if poll(host, None, &waker, left)? == Woken::Bell {
            waker.clear();
        }
    }
}

/// One call's waits.
#[derive(Default)]
struct Waiting {
    /// Set once it was told "ready" in vain.
    pause: Option<Duration>,
    /// Which halves of the socket were shut before the last attempt.
    shut: u8,
}

impl Waiting {
    /// A first, short wait: an answer is often on its way already, perhaps so
    /// near that falling asleep is not worth it. The wait is so short that a
    /// signal, a close or an interrupt can be noticed after it. Whether the
    /// socket is ready.
    fn glance(
        &self,
        host: &impl Host,
        socket: &Socket,
        call: &Use<'_>,
        clock: &mut Clock,
        ready: Ready,
    ) -> Result<bool, Error> {
        host.check_signals()?;
        let left = socket.control.check(clock.generation, clock.remaining()?)?;
        let left = left.map_or(GLANCE, |left| left.min(GLANCE));
        let mut fds = [PollFd::new(call.fd(), ready.events())];
        let mut poll = |timeout| ppoll(&mut fds, Some(TimeSpec::from_duration(timeout)), None);
        let moment = socket.control.busy_poll().min(left);
        let polled = host.detached(|| {
            if moment.is_zero() || !socket.busy_poll.is_due() {
                return poll(left);
            }
            let start = Instant::now();
            while start.elapsed() < moment {
                match poll(Duration::ZERO) {
                    Ok(0) => std::hint::spin_loop(),
                    polled => {
                        socket.busy_poll.helped();
                        return polled;
                    }
                }
            }
            socket.busy_poll.was_in_vain();
            poll(left - moment)
        });
        match polled {
            Ok(n) => Ok(n > 0),
            Err(Errno::EINTR) => host.check_signals().map(|()| false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Until the socket is ready, a pause is over, or the bell was rung: then
    /// something happened to the socket that poll(2) may not tell.
    fn wait(
        &mut self,
        host: &impl Host,
        socket: &Socket,
        call: &Use<'_>,
        clock: &mut Clock,
        ready: Ready,
    ) -> Result<Woken, Error> {
        let waker = Waker::current()?;
        let _closable = socket.waiters.register(&waker);
        let _interruptible = socket.control.waiters.register(&waker);
        // After registering, as closing is looked at: one that came before has
        // rung no bell.
        let shut = socket.shut();
        let mut rung = shut != self.shut;
        self.shut = shut;
        loop {
            // Looked at after registering: whoever closes or interrupts from
            // here on finds this thread on the list.
            still_open(socket, call, clock)?;
            let left = socket.control.check(clock.generation, clock.remaining()?)?;
            if rung {
                return Ok(Woken::Bell);
            }
            let (fd, left) = match self.pause {
                // Ready in vain twice: a pause, or this loop would spin.
                Some(pause) => (None, Some(left.map_or(pause, |left| left.min(pause)))),
                None if ready == Ready::Unknown => (None, Some(PAUSE)),
                None => (Some((call.fd(), ready.events())), left),
            };
            match poll(host, fd, &waker, left)? {
                Woken::Ready => {
                    self.pause = Some(PAUSE);
                    return Ok(Woken::Ready);
                }
                Woken::Elapsed if fd.is_none() => {
                    self.pause = match self.pause {
                        Some(pause) if pause < LONGEST_PAUSE => Some(pause * 2),
                        Some(pause) => Some(pause),
                        None => Some(PAUSE),
                    };
                    return Ok(Woken::Elapsed);
                }
                Woken::Bell => {
                    waker.clear();
                    rung = true;
                }
                Woken::Elapsed | Woken::Signal => {}
            }
        }
    }
}

/// EBADF if the socket was closed or detached under the call. A host that ends
/// all calls before it closes the sockets has ended this one.
fn still_open(socket: &Socket, call: &Use<'_>, clock: &Clock) -> Result<(), Error> {
    if call.is_closed() {
        socket.control.check(clock.generation, None)?;
        return Err(Errno::EBADF.into());
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Woken {
    Ready,
    Elapsed,
    Bell,
    Signal,
}

/// poll(2) of a socket, if any, and this thread's bell; and signal handlers.
///
/// Signals are let in only while the kernel waits (pselect(2) tells why): one
/// that comes after the handlers were run for the last time ends the wait.
fn poll(
    host: &impl Host,
    fd: Option<(BorrowedFd<'_>, PollFlags)>,
    waker: &Waker,
    timeout: Option<Duration>,
) -> Result<Woken, Error> {
    let timeout = timeout.map(TimeSpec::from_duration);
    let bell = PollFd::new(waker.fd(), PollFlags::POLLIN);
    host.check_signals()?;
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let unmask = Unmask(mask);
    // Once more: between the last time and the mask, one may have come.
    host.check_signals()?;
    let woken = host.detached(|| {
        let polled = match fd {
            Some((fd, events)) => {
                let mut fds = [bell, PollFd::new(fd, events)];
                ppoll(&mut fds, timeout, Some(mask)).map(|n| (n, fds[0].any() == Some(true)))
            }
            None => {
                let mut fds = [bell];
                ppoll(&mut fds, timeout, Some(mask)).map(|n| (n, n > 0))
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
    drop(unmask);
    if woken == Woken::Signal {
        host.check_signals()?;
    }
    Ok(woken)
}

/// Puts a thread's signal mask back.
struct Unmask(SigSet);

impl Drop for Unmask {
    fn drop(&mut self) {
        // Cannot fail: the mask is one that the thread has had.
        let _ = self.0.thread_set_mask();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Moving, Plain};
    use std::sync::Arc;

    /// One end of a pair whose other end says nothing.
    fn idle(timeout: Timeout) -> (Arc<Socket>, std::os::fd::OwnedFd) {
        let (a, b) = sys::socket::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap();
        let socket = Arc::new(Socket::new(Arc::default()));
        let a = Moving::new(a, socket.control.permit().unwrap());
        socket
            .open(a, (libc::AF_UNIX, libc::SOCK_STREAM, 0), timeout)
            .unwrap();
        (socket, b)
    }

    fn read(socket: &Socket) -> Result<usize, Error> {
        let mut clock = socket.clock();
        run(&Plain, socket, &mut clock, Ready::Read, |fd| {
            sys::receive::recv(fd, &mut [0; 8], libc::MSG_DONTWAIT)
        })
    }

    #[test]
    fn a_timeout_runs_out() {
        let (socket, _peer) = idle(Timeout::After(Duration::from_millis(20)));
        let start = Instant::now();
        assert!(matches!(read(&socket), Err(Error::TimedOut)));
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    /// As [`idle`], and the next wait looks for longer than any test takes.
    fn looking(timeout: Timeout) -> (Arc<Socket>, std::os::fd::OwnedFd) {
        let (socket, peer) = idle(timeout);
        socket.control.set_busy_poll(Duration::from_secs(3600));
        socket.busy_poll.hasten();
        (socket, peer)
    }

    #[test]
    fn looking_does_not_outlast_a_timeout() {
        let (socket, _peer) = looking(Timeout::After(Duration::from_micros(200)));
        assert!(matches!(read(&socket), Err(Error::TimedOut)));
    }

    #[test]
    fn looking_finds_what_comes() {
        let (socket, peer) = looking(Timeout::Never);
        let writer = std::thread::spawn(move || nix::unistd::write(peer, b"x").unwrap());
        assert_eq!(read(&socket).unwrap(), 1);
        assert_eq!(writer.join().unwrap(), 1);
    }

    #[test]
    fn a_timeout_of_zero_does_not_wait() {
        let (socket, _peer) = idle(Timeout::Zero);
        assert!(matches!(read(&socket), Err(Error::Errno(Errno::EAGAIN))));
    }

    #[test]
    fn close_ends_a_wait_with_ebadf() {
        for _ in 0..200 {
            let (socket, _peer) = idle(Timeout::Never);
            let reader = {
                let socket = socket.clone();
                std::thread::spawn(move || read(&socket))
            };
            std::thread::yield_now();
            socket.close().unwrap();
            assert!(matches!(
                reader.join().unwrap(),
                Err(Error::Errno(Errno::EBADF))
            ));
            assert!(!socket.descriptor.is_busy());
        }
    }

    #[test]
    fn detach_returns_when_nobody_uses_the_number() {
        for _ in 0..200 {
            let (socket, _peer) = idle(Timeout::Never);
            let reader = {
                let socket = socket.clone();
                std::thread::spawn(move || read(&socket))
            };
            std::thread::yield_now();
            let left = socket.detach();
            assert!(left.is_some());
            assert!(!socket.descriptor.is_busy());
            drop(left);
            assert!(reader.join().unwrap().is_err());
        }
    }

    #[test]
    fn an_interrupt_ends_a_wait() {
        let (socket, _peer) = looking(Timeout::Never);
        let (began, begun) = std::sync::mpsc::channel();
        let reader = {
            let socket = socket.clone();
            std::thread::spawn(move || {
                began.send(()).unwrap();
                read(&socket)
            })
        };
        begun.recv().unwrap();
        // The first ones may come before the call has begun.
        while !reader.is_finished() {
            socket.control.interrupt();
            std::thread::yield_now();
        }
        assert!(matches!(reader.join().unwrap(), Err(Error::Interrupted)));
    }

    #[test]
    fn ready_in_vain_does_not_spin() {
        let (socket, peer) = idle(Timeout::After(Duration::from_millis(100)));
        sys::socket::shutdown(std::os::fd::AsFd::as_fd(&peer), libc::SHUT_WR).unwrap();
        let mut clock = socket.clock();
        let mut attempts = 0;
        let result = run(&Plain, &socket, &mut clock, Ready::Read, |_| {
            attempts += 1;
            Err::<(), _>(Errno::EAGAIN)
        });
        assert!(matches!(result, Err(Error::TimedOut)));
        assert!(attempts < 60, "{attempts} attempts");
    }

    #[test]
    fn ready_for_a_part_is_not_in_vain() {
        // Each pause would be up to 20 ms: 10 s in all, and the time is up before.
        let (socket, peer) = idle(Timeout::After(Duration::from_secs(5)));
        sys::socket::shutdown(std::os::fd::AsFd::as_fd(&peer), libc::SHUT_WR).unwrap();
        let mut parts = 0;
        let result = run_on(&Plain, &socket, &mut socket.clock(), Ready::Read, |_| {
            parts += 1;
            let (errno, moved) = (Errno::EAGAIN, true);
            (parts > 600).then_some(parts).ok_or(Stop { errno, moved })
        });
        assert_eq!(result.unwrap(), 601);
    }

    #[test]
    fn the_kernels_own_timeout_is_kept() {
        let (socket, _peer) = idle(Timeout::Never);
        let call = socket.begin().unwrap();
        let timeout = [0i64, 20_000].map(i64::to_ne_bytes).concat();
        sys::sockopt::set(call.fd(), libc::SOL_SOCKET, libc::SO_RCVTIMEO, &timeout).unwrap();
        assert!(matches!(read(&socket), Err(Error::Errno(Errno::EAGAIN))));
    }

    #[test]
    fn a_descriptor_that_others_made_nonblocking_does_not_wait() {
        let (socket, _peer) = idle(Timeout::Never);
        let call = socket.begin().unwrap();
        sys::socket::set_nonblocking(call.fd(), true).unwrap();
        assert!(matches!(read(&socket), Err(Error::Errno(Errno::EAGAIN))));
    }
}
