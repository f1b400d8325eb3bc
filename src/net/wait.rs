//! The waits of a [`Call`]: when the next attempt is due, and how the thread sleeps until
//! then. The head of [`call`](super::call) has the rules.

use super::interpreter_waits::InterpreterWait;
use super::wake::{Registration, Waiters};
use super::{Call, Control, Deadline, Error, VmContext};
use crate::sys;
use crate::sys::fork;
use crate::sys::signal::{self, BlockedSignals};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::time::TimeSpec;
use std::mem;
use std::time::{Duration, Instant};

/// Readiness that a call needs before its next attempt (poll(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    Read,
    Write,
    #[cfg(feature = "ssl")]
    Either,
    /// Only an error can be waiting: the error queue (MSG_ERRQUEUE).
    Error,
    /// Urgent data (MSG_OOB).
    Urgent,
    /// poll(2) cannot tell: the call is tried again after a while.
    Unknown,
}

impl Ready {
    fn events(self) -> PollFlags {
        match self {
            Self::Read => PollFlags::POLLIN,
            Self::Write => PollFlags::POLLOUT,
            #[cfg(feature = "ssl")]
            Self::Either => PollFlags::POLLIN | PollFlags::POLLOUT,
            Self::Urgent => PollFlags::POLLPRI,
            // POLLERR and POLLHUP are always reported.
            Self::Error | Self::Unknown => PollFlags::empty(),
        }
    }
}

/// Interval after which a waiting call checks again. It limits a call's first poll and
/// each stay in a system call that blocks. Sends on unix sockets and all calls in
/// AF_ALG are retried at this interval while poll(2) reports nothing.
///
/// It is longer than a tick of the kernel's clock: for a timer that ends before the next
/// tick the kernel has to program the hardware, each time it is set.
pub(super) const INTERVAL: Duration = Duration::from_millis(20);

/// First sleep after poll(2) reported a non-blocking socket ready and the attempt
/// failed with EAGAIN. Each further sleep is twice as long, up to [`INTERVAL`].
const PAUSE: Duration = Duration::from_millis(1);

/// Reason why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// poll(2) reports the socket ready.
    Ready,
    /// It is time to try again; the socket may not be ready.
    Elapsed,
    /// Another thread closed or shut the socket, or interrupted the call.
    Notified,
    /// A signal came that is not a wake-up; it would end the kernel's own call.
    Signal,
}

/// Kind of the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextAttempt {
    /// The attempt does not block: MSG_DONTWAIT, or a descriptor in non-blocking mode.
    AtOnce,
    /// The attempt may block in the kernel, and is interrupted at intervals.
    Bounded,
}

/// The waits of one call.
pub(super) struct Wait {
    pub(super) ready: Ready,
    /// The next poll is the first, short one.
    pub(super) is_short: bool,
    /// poll(2) reported the socket ready. Another wait means that the attempt failed all
    /// the same.
    pub(super) was_ready: bool,
    /// Duration of the last sleep, which the next one doubles.
    back_off: Duration,
    /// The socket's [`shut`](Socket::shut) before the last attempt.
    shut: [bool; 2],
}

impl Wait {
    pub(super) fn new(ready: Ready) -> Self {
        Self {
            ready,
            is_short: true,
            was_ready: false,
            back_off: Duration::ZERO,
            shut: [false; 2],
        }
    }

    /// Waits until there is a reason for the next attempt; returns its kind.
    pub(super) fn next<V: VmContext>(
        &mut self,
        call: &mut Call<'_, V>,
    ) -> Result<NextAttempt, Error> {
        if self.is_short {
            if call.is_blocking() && call.had_settings() {
                call.apply_descriptor_settings(self.ready)?;
            }
            match self.once(call)? {
                // A signal may end the call, before its handler runs.
                Wake::Ready | Wake::Signal => return Ok(NextAttempt::AtOnce),
                // The socket is not ready, so the next step is a longer wait, not an
                // attempt.
                Wake::Elapsed | Wake::Notified => call.check_signals_and_mode()?,
            }
        }
        if call.is_blocking() {
            call.apply_late_settings(self.ready)?;
        }
        if call.is_blocking() && mem::take(&mut self.was_ready) {
            // poll(2) was wrong, so a blocking attempt decides.
            return Ok(NextAttempt::Bounded);
        }
        self.once(call)?;
        Ok(NextAttempt::AtOnce)
    }

    /// Waits once, until the socket is ready or another check is due.
    pub(super) fn once<V: VmContext>(&mut self, call: &mut Call<'_, V>) -> Result<Wake, Error> {
        if self.ready == Ready::Unknown {
            return self.sleep(call);
        }
        let wake = if mem::take(&mut self.is_short) {
            self.poll_shortly(call)?
        } else {
            if mem::take(&mut self.was_ready) {
                // The attempt after the last wait failed, otherwise there would be no
                // further wait.
                if self.sleep(call)? == Wake::Signal {
                    return Ok(Wake::Signal);
                }
                call.check_signals_and_mode()?;
            }
            self.poll(call)?
        };
        self.was_ready = wake == Wake::Ready;
        Ok(wake)
    }

    /// Polls for a while without blocking signals first, because most answers come soon,
    /// perhaps so soon that sleeping is not worth it. A signal or a wake-up that comes just
    /// before the poll is noticed after the poll.
    fn poll_shortly<V: VmContext>(&self, call: &mut Call<'_, V>) -> Result<Wake, Error> {
        let socket = call.socket;
        call.check_signals_and_mode()?;
        if let Some(moment) = socket.busy_poll.due(&socket.control.busy_polls) {
            let wake = self.poll_busily(call, moment)?;
            if wake != Wake::Elapsed {
                return Ok(wake);
            }
            call.check_signals_and_mode()?;
        }
        let registered = register(&socket.waiters, &socket.control);
        self.poll_once(call, registered, |fds, left| {
            ppoll(fds, Some(TimeSpec::from_duration(left)), None)
        })
    }

    /// Polls without sleeping, for `moment` or [`INTERVAL`] at most. The thread does not register,
    /// because nobody has to wake it.
    fn poll_busily<V: VmContext>(
        &self,
        call: &mut Call<'_, V>,
        moment: Duration,
    ) -> Result<Wake, Error> {
        let socket = call.socket;
        self.poll_once(call, (), |fds, left| {
            let polls = &socket.control.busy_polls;
            let poll = || poll(fds, PollTimeout::ZERO);
            socket.busy_poll.poll(polls, moment.min(left), poll)
        })
    }

    /// Makes one poll, by `poll`, which gets the longest time for it: what is left of the call's,
    /// and [`INTERVAL`] at most. `registered` is dropped after it.
    fn poll_once<V: VmContext, R>(
        &self,
        call: &mut Call<'_, V>,
        registered: R,
        poll: impl FnOnce(&mut [PollFd<'_>], Duration) -> Result<i32, Errno>,
    ) -> Result<Wake, Error> {
        let left = call.left()?.map_or(INTERVAL, |left| left.min(INTERVAL));
        let guard = call.acquire()?;
        let events = self.ready.events();
        let wake_ups = signal::wake_ups();
        let polled = call
            .vm
            .detached(move || poll(&mut [PollFd::new(guard.fd(), events)], left));
        drop(registered);
        reason_of(call, polled.map(|ready| ready as usize), wake_ups)
    }

    /// Polls until the socket is ready, a signal comes or the time is up. If poll(2) may
    /// not report the readiness, polls for [`INTERVAL`] at most.
    fn poll<V: VmContext>(&mut self, call: &mut Call<'_, V>) -> Result<Wake, Error> {
        let family = call.socket.family();
        let is_unix_send =
            family == libc::AF_UNIX && self.ready == Ready::Write && call.is_blocking();
        let may_miss = is_unix_send || !sys::socket::poll_reports(family);
        let limit = may_miss.then_some(INTERVAL);
        let start = Instant::now();
        let wake = self.until_signal(call, Some(self.ready.events()), limit)?;
        if start.elapsed() > self.back_off {
            self.back_off = Duration::ZERO;
        }
        Ok(wake)
    }

    /// Sleeps, twice as long each time. For waits in which poll(2) does not help.
    pub(super) fn sleep<V: VmContext>(&mut self, call: &mut Call<'_, V>) -> Result<Wake, Error> {
        self.back_off = (self.back_off * 2).clamp(PAUSE, INTERVAL);
        self.until_signal(call, None, Some(self.back_off))
    }

    /// Polls for `events`, or only for signals, and misses no signal.
    fn until_signal<V: VmContext>(
        &mut self,
        call: &mut Call<'_, V>,
        events: Option<PollFlags>,
        limit: Option<Duration>,
    ) -> Result<Wake, Error> {
        let socket = call.socket;
        let registered = register(&socket.waiters, &socket.control);
        let generation = fork::generation();
        let had_applied = call.settings_applied;
        call.check_signals_and_mode()?;
        let signals = BlockedSignals::new()?;
        // A signal may have come since the last check.
        call.check_signals_and_mode()?;
        if fork::generation() != generation {
            // A handler forked: in the child this thread is on no list yet.
            return Ok(Wake::Notified);
        }
        if had_applied && !call.settings_applied {
            // The call has begun again, and reads the settings first.
            return Ok(Wake::Notified);
        }
        let left = call.left()?;
        let timeout = match (left, limit) {
            (Some(left), Some(limit)) => Some(left.min(limit)),
            (left, limit) => left.or(limit),
        };
        // poll(2) may not report a shutdown between the last attempt and now.
        let shut = socket.shut();
        if mem::replace(&mut self.shut, shut) != shut {
            return Ok(Wake::Notified);
        }
        let guard = call.acquire()?;
        let wake_ups = signal::wake_ups();
        let polled = call.vm.detached(move || {
            let polled = match events {
                Some(events) => signals.poll(&mut [PollFd::new(guard.fd(), events)], timeout),
                None => {
                    drop(guard);
                    return signals.poll(&mut [], timeout);
                }
            };
            drop(guard);
            drop(signals);
            polled
        });
        drop(registered);
        reason_of(call, polled, wake_ups)
    }
}

/// Returns the reason why a poll of `call` ended. `wake_ups` is the thread's number of wake-ups
/// before it.
fn reason_of<V: VmContext>(
    call: &mut Call<'_, V>,
    polled: Result<usize, Errno>,
    wake_ups: u32,
) -> Result<Wake, Error> {
    match polled {
        Ok(0) => Ok(Wake::Elapsed),
        Ok(_) => Ok(Wake::Ready),
        Err(Errno::EINTR) if call.was_interrupted(wake_ups) => Ok(Wake::Signal),
        Err(Errno::EINTR) => Ok(Wake::Notified),
        Err(errno) => Err(errno.into()),
    }
}

/// Wakes the interpreter's waiting threads if a signal that is not a wake-up has ended a system
/// call: the thread that runs handlers may have had signals blocked, so that the kernel chose
/// this one. Returns false if it was a wake-up. `wake_ups` is the calling thread's number of
/// wake-ups before the system call.
pub(super) fn pass_signal_on(control: &Control, wake_ups: u32) -> bool {
    let had_signal = signal::had_other_signal(wake_ups);
    if had_signal {
        control.waits.wake_all();
    }
    had_signal
}

/// Lets whoever wakes `waiters`, or all waits of the interpreter, interrupt the calling thread
/// for as long as the result lives.
pub(super) fn register<'a>(
    waiters: &'a Waiters,
    control: &Control,
) -> (Registration<'a>, InterpreterWait) {
    (waiters.register(), control.waits.register())
}

/// Waits until `done` returns true. Who makes it true wakes `waiters` afterwards.
pub(super) fn wait_until(
    vm: &impl VmContext,
    control: &Control,
    deadline: &mut Deadline,
    waiters: &Waiters,
    mut done: impl FnMut() -> bool,
) -> Result<(), Error> {
    let _registered = register(waiters, control);
    loop {
        vm.check_signals()?;
        let signals = BlockedSignals::new()?;
        vm.check_signals()?;
        if done() {
            return Ok(());
        }
        let left = control.check(deadline.interrupts_before, deadline.remaining()?)?;
        let wake_ups = signal::wake_ups();
        let polled = vm.detached(move || {
            let polled = signals.poll(&mut [], left);
            drop(signals);
            polled
        });
        match polled {
            Err(Errno::EINTR) => _ = pass_signal_on(control, wake_ups),
            Err(errno) => return Err(errno.into()),
            Ok(_) => {}
        }
    }
}
