//! Calls on sockets: their waits, and everything that ends them.
//!
//! A [`Call`] is one call of a script, with its VM, its socket and its deadline.
//! Nothing else in this crate waits for a socket.
//!
//! # What a call holds, by state
//!
//! | state | VM | descriptor | signals | ends by |
//! |---|---|---|---|---|
//! | attempt (MSG_DONTWAIT) | attached | guard, inside of any lock | open | the system call |
//! | busy poll | detached | guard | open | readiness, the host's time, [`INTERVAL`] |
//! | short poll | detached | guard | open | readiness, any signal, [`INTERVAL`] |
//! | bounded call | detached | guard, and no lock | open | the system call, any signal, [`INTERVAL`] |
//! | attempt alone (accept, connect) | detached | guard of one who uses it alone | open | the system call, after two ticks of the kernel's clock at most |
//! | poll | detached | guard | blocked but for ppoll(2) | readiness, any signal, time |
//! | between two of them | attached | nothing | open | |
//! | signal handlers of the script | attached | nothing | open | |
//!
//! (A signal can arrive after the last check and before signals are blocked. Its handler
//! then runs with signals blocked; only its own waits here, and child processes that it
//! forks, have the thread's mask. Threads that it starts there, and programs that it starts
//! without fork(2), keep all signals blocked. A signal for the whole process can go to another
//! thread in that moment. If that thread waits here, in another state than a busy poll, it wakes
//! all others; otherwise the handler runs when the poll ends.)
//!
//! # Invariants
//!
//! 1. Between two system calls the call holds nothing, and then acquires the descriptor
//!    again (EBADF if there is none). Before each wait it checks everything else that can
//!    end it: the socket's mode, the host's interrupts and deadlines, and the script's
//!    signals. It checks signals after a wait, too, but an attempt to send or receive for
//!    which poll(2) reports the socket ready comes first, as in CPython. It checks the
//!    host's limits when it begins, and after each part.
//! 2. Before a thread polls with signals blocked, it registers with its socket and with its
//!    interpreter, then blocks signals, and then checks. Another thread first changes
//!    something and then wakes all that have registered, so it finds the thread, and its
//!    signal ends the poll even if the signal comes first. No wake-up is lost.
//! 3. A call that can block in the kernel, and a short poll, end after [`INTERVAL`] at
//!    most, even if the signal came too early and was lost. So does a busy poll, for which
//!    the thread does not register. Then invariant 1 holds again.
//! 4. A thread that closes or detaches a descriptor waits until no guard is left (never
//!    for guards of its own) and repeats the wake-up meanwhile. So no lock of a Python
//!    object is taken while a guard is held: its owner may never release it.
//! 5. A detached thread takes no lock of a Python object, because fork(2) and the VM's
//!    collector stop attached threads only: in a child process the lock would be held for
//!    ever. [`Attempt::run`] detaches for the system call alone.
//! 6. This crate never has a descriptor of its own, such as a wake-up pipe.
//!
//! # When a blocking socket's call ends
//!
//! A blocking socket's call ends when the kernel's blocking call would end. Readiness
//! from poll(2) is only a reason to try again; the system call decides:
//!
//! - If poll(2) reports the socket ready and the attempt fails with EAGAIN, the next
//!   attempt is the blocking system call itself, bounded as above. (An example is a
//!   datagram socket whose receiving half was shut: poll(2) reports it readable, and
//!   only a blocking receive returns 0.)
//! - poll(2) does not report a unix socket whose sending half was shut, even through
//!   another descriptor. A send on a unix socket is therefore tried again at intervals.
//! - The descriptor's own mode and timeouts (O_NONBLOCK, SO_RCVTIMEO, SO_SNDTIMEO)
//!   count, also when another owner set them. The call reads them once, before its first
//!   wait, if the descriptor is shared or may have a timeout; a later change is for the next
//!   call. If neither is the case, only a script that has guessed the number can have changed
//!   anything, and the call reads them after its first [`INTERVAL`] of waiting. (A call whose
//!   first attempt can block, such as accept(2) on a shared listener or connect(2), reads them
//!   after that attempt, and so heeds a timeout that is set meanwhile.)
//! - After a signal has interrupted one of its system calls, the call begins again, because the
//!   kernel's call would be made again (PEP 475), and reads the settings that the signal's
//!   handler has left. Not so a connect over IP, which goes on. (A handler can also run
//!   between two system calls. The VM does not say so; such a handler is noticed if it is the
//!   first to make settings possible.)
//! - A signal of the script ends a call that has sent or received some bytes; the call
//!   returns their number, and the signal's handler runs afterwards. A call that has
//!   moved nothing goes on (PEP 475).
//!
//! A socket with a timeout is in non-blocking mode, as in CPython: poll(2) decides, and
//! then a system call that may fail with EAGAIN.

use super::wait::{INTERVAL, NextAttempt, Ready, Wait, Wake, pass_signal_on, register};
use super::{Deadline, Error, Limit, Socket, Timeout, VmContext};
#[cfg(feature = "ssl")]
use super::{Waiters, wait};
use crate::sys::signal::{self, Interval};
use crate::sys::{self, MessageFlags};
use nix::errno::Errno;
use nix::libc;
use std::mem;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Reason why an attempt did not finish.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocked {
    pub(super) errno: Errno,
    /// The attempt transferred some bytes.
    pub(super) progress: bool,
    /// The call has a part of its result, so that a signal ends it with that part, as in
    /// the kernel.
    pub(super) has_part: bool,
}

impl From<Errno> for Blocked {
    fn from(errno: Errno) -> Self {
        Self {
            errno,
            progress: false,
            has_part: false,
        }
    }
}

/// State that a call keeps from its attempts that did not finish.
struct Failures {
    wait: Wait,
    /// The call has a part of its result.
    has_part: bool,
    /// The thread's number of wake-ups before the current attempt, if it may block.
    bounded: Option<u32>,
}

impl Failures {
    fn new(ready: Ready) -> Self {
        Self {
            wait: Wait::new(ready),
            has_part: false,
            bounded: None,
        }
    }
}

/// One attempt of a call. Its closure prepares the system call, makes it by
/// [`run`](Self::run), and completes it; only `run` may wait, and then detaches the thread.
pub(super) struct Attempt<'c, 'a, V> {
    socket: &'a Socket,
    /// The call, if the system call may wait.
    waiting: Option<&'c mut Call<'a, V>>,
    /// The reason why the call is over, whatever the attempt's closure returns.
    over: Option<Error>,
}

impl<'a, V: VmContext> Attempt<'_, 'a, V> {
    /// Returns the socket of the call.
    #[inline]
    pub(super) fn socket(&self) -> &'a Socket {
        self.socket
    }

    /// Returns true if the system call may wait. The caller of [`run`](Self::run) must have
    /// no lock then.
    #[inline]
    pub(super) fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// Returns the flags for the system call: MSG_DONTWAIT, or none if it may wait.
    #[inline]
    pub(super) fn flags(&self) -> MessageFlags {
        if self.waits() {
            MessageFlags::NONE
        } else {
            MessageFlags::DONT_WAIT
        }
    }

    /// Makes the system call on the socket's descriptor. EBADF once the socket is closed.
    #[inline(always)]
    pub(super) fn run<T>(
        &mut self,
        call: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        match &mut self.waiting {
            None => self.run_at_once(call),
            Some(waiting) => match waiting.bounded_attempt(call) {
                Ok(result) => result,
                Err(error) => Err(self.end(error)),
            },
        }
    }

    /// Makes a system call that does not wait. EBADF once the socket is closed.
    #[inline(always)]
    pub(super) fn run_at_once<T>(
        &self,
        call: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        self.socket.with(call)
    }

    /// Ends the call with an error. Returns the errno with which the attempt has to fail.
    #[cold]
    pub(super) fn end(&mut self, error: Error) -> Errno {
        self.over = Some(error);
        Errno::ECANCELED
    }
}

/// Result of an attempt that may have to wait for either direction.
#[cfg(feature = "ssl")]
pub(crate) enum Step<T> {
    Done(T),
    Wait(Ready),
}

/// One call of a script on a socket.
pub(crate) struct Call<'a, V> {
    pub(super) vm: &'a V,
    pub(crate) socket: &'a Socket,
    pub(crate) deadline: Deadline,
    /// The timeout of the socket's calls when this one began, or the socket's when its mode was
    /// last read. The deadline's can differ: MSG_DONTWAIT makes that non-blocking, and a signal
    /// handler does not extend it.
    socket_timeout: Timeout,
    /// The mode with which the call began holds until its end.
    keeps_mode: bool,
    /// The descriptor's own settings hold likewise, whatever a signal handler sets.
    pub(super) keeps_settings: bool,
    /// The descriptor's own mode and timeouts have been read, or do not concern this call: as in
    /// the kernel's blocking call, what others change afterwards is for the next one.
    pub(super) settings_applied: bool,
    /// The socket might have settings when the call began to wait
    /// ([`Socket::may_have_settings`]).
    had_settings: Option<bool>,
    /// An attempt has failed with EAGAIN before the call began.
    pub(crate) was_tried: bool,
    /// Each part of the call has the whole timeout.
    pub(super) renews_deadline: bool,
    /// The descriptor was in blocking mode during a system call of this call.
    pub(super) was_blocking: bool,
    /// A signal that is not a wake-up has ended a system call, and its handlers may not have run
    /// yet.
    had_signal: bool,
}

impl<'a, V: VmContext> Call<'a, V> {
    /// Begins a call that may wait for as long as the socket's timeout says.
    #[inline]
    pub(crate) fn new(vm: &'a V, socket: &'a Socket) -> Self {
        Self::within(vm, socket, socket.deadline())
    }

    /// Begins a call that may wait for as long as `deadline` says.
    #[inline]
    pub(crate) fn within(vm: &'a V, socket: &'a Socket, deadline: Deadline) -> Self {
        Self::begin(vm, socket, deadline, socket.timeout())
    }

    /// Begins a call on a socket whose calls have the timeout `socket_timeout`, of which
    /// `deadline` may be a part only.
    #[inline]
    pub(super) fn begin(
        vm: &'a V,
        socket: &'a Socket,
        deadline: Deadline,
        socket_timeout: Timeout,
    ) -> Self {
        Self {
            vm,
            socket,
            deadline,
            socket_timeout,
            keeps_mode: false,
            keeps_settings: false,
            was_tried: false,
            renews_deadline: false,
            settings_applied: false,
            had_settings: None,
            was_blocking: false,
            had_signal: false,
        }
    }

    /// Lets the mode and the settings with which the call began hold until its end, as in calls
    /// that CPython makes of several system calls: of TLS, and sendfile().
    pub(crate) fn keeping_mode(self) -> Self {
        Self {
            keeps_mode: true,
            keeps_settings: true,
            ..self
        }
    }

    /// Returns the VM in which the call runs.
    pub(crate) fn vm(&self) -> &'a V {
        self.vm
    }

    /// Checks between the parts of a call that did not have to wait: runs signal handlers,
    /// and fails if the call's time is up or the host has ended it.
    pub(crate) fn may_go_on(&mut self) -> Result<(), Error> {
        self.check_signals_and_mode()?;
        self.check()?;
        drop(self.acquire()?);
        Ok(())
    }

    /// Returns the time that is left, `None` without limit. Fails if the call's time is up or
    /// the host has ended it.
    pub(super) fn check(&mut self) -> Result<Option<Duration>, Error> {
        let left = match self.deadline.timeout() {
            Timeout::NonBlocking => None,
            _ => self.deadline.remaining()?,
        };
        self.socket
            .control
            .check(self.deadline.interrupts_before, left)
    }

    /// Returns true if the call has to behave like the kernel's blocking call, because the
    /// socket is in blocking mode.
    pub(super) fn is_blocking(&self) -> bool {
        self.socket_timeout == Timeout::Blocking
    }

    /// Runs `attempt` until it succeeds or fails for good.
    ///
    /// The attempt makes one system call with [`Attempt::flags`], by [`Attempt::run`].
    /// Between attempts the call waits for `ready`.
    #[inline(always)]
    pub(super) fn retry<T>(
        &mut self,
        ready: Ready,
        mut attempt: impl FnMut(&mut Attempt<'_, 'a, V>) -> Result<T, Blocked>,
    ) -> Result<T, Error> {
        self.check_limit(ready)?;
        let mut failures = None;
        let mut next = NextAttempt::AtOnce;
        if mem::take(&mut self.was_tried) {
            next = self.next_attempt(ready, &mut failures, Errno::EAGAIN.into())?;
        }
        // The closure is called in one place, so that the compiler makes one piece of code of
        // it and of this: mostly the first attempt is the last.
        loop {
            let mut made = Attempt {
                socket: self.socket,
                waiting: (next == NextAttempt::Bounded).then_some(&mut *self),
                over: None,
            };
            let done = attempt(&mut made);
            if let Some(error) = made.over {
                return Err(error);
            }
            match done {
                Ok(done) => return Ok(done),
                Err(blocked) => next = self.next_attempt(ready, &mut failures, blocked)?,
            }
        }
    }

    /// Waits until there is a reason for the next attempt of [`retry`](Self::retry), after
    /// one that did not finish.
    #[cold]
    fn next_attempt(
        &mut self,
        ready: Ready,
        failures: &mut Option<Failures>,
        mut blocked: Blocked,
    ) -> Result<NextAttempt, Error> {
        let is_first = failures.is_none();
        if is_first && blocked.errno == Errno::EBADF {
            // The socket was closed before the call began, whatever closed it.
            return Err(Errno::EBADF.into());
        }
        let failures = failures.get_or_insert_with(|| Failures::new(ready));
        if let Some(wake_ups) = failures.bounded.take() {
            blocked = self.after_bounded(failures, blocked, wake_ups)?;
        }
        if blocked.errno == Errno::EPIPE && !is_first {
            return Err(self.why_broken().unwrap_or(Errno::EPIPE).into());
        }
        failures.has_part |= blocked.has_part;
        if blocked.progress {
            // The wait before was not in vain.
            failures.wait = Wait::new(ready);
            self.go_on_after_part(ready, blocked.has_part)?;
        }
        let next = self.wait_after(&mut failures.wait, blocked.errno)?;
        let had_signal = self.had_signal;
        if failures.has_part && had_signal {
            return Err(Errno::EINTR.into());
        }
        // Once the socket is ready the attempt comes first. Should it fail, the next wait checks.
        if next == NextAttempt::Bounded || !failures.wait.was_ready || had_signal {
            self.check_signals_and_mode()?;
        } else {
            self.read_mode();
        }
        failures.wait.is_short |= had_signal;
        failures.bounded = (next == NextAttempt::Bounded).then(signal::wake_ups);
        Ok(next)
    }

    /// Checks the limits, which may be reached, and starts the timeouts again that are for
    /// each part of a call.
    fn go_on_after_part(&mut self, ready: Ready, has_part: bool) -> Result<(), Error> {
        self.check_limit(ready)?;
        // The kernel's timeout is for each system call, of which sendall() makes several; on
        // a unix socket it is for each part of a send.
        let is_unix_send = ready == Ready::Write && self.socket.family() == libc::AF_UNIX;
        if self.renews_deadline {
            self.deadline.restart();
        } else if is_unix_send || !has_part {
            self.deadline.restart_the_kernels();
        }
        Ok(())
    }

    /// Waits until there is a reason for the next attempt, after one that failed with
    /// `errno`.
    fn wait_after(&mut self, wait: &mut Wait, errno: Errno) -> Result<NextAttempt, Error> {
        match errno {
            Errno::EINTR => {
                self.may_go_on()?;
                Ok(NextAttempt::AtOnce)
            }
            Errno::EAGAIN if self.deadline.timeout() == Timeout::NonBlocking => {
                Err(Errno::EAGAIN.into())
            }
            Errno::EAGAIN => wait.next(self),
            errno => Err(self.failed(errno)),
        }
    }

    /// Returns what [`next_attempt`](Self::next_attempt) goes on with after an attempt that
    /// could block. An interrupted one has to be made again (EAGAIN), unless there is a part
    /// with which a signal ends the call. `wake_ups` is the thread's number of wake-ups before
    /// it.
    fn after_bounded(
        &mut self,
        failures: &mut Failures,
        blocked: Blocked,
        wake_ups: u32,
    ) -> Result<Blocked, Error> {
        match blocked.errno {
            // Another owner has made the descriptor non-blocking since the call began, or
            // the kernel's own timeout is over, which the deadline tells.
            Errno::EAGAIN if !blocked.progress => {
                if failures.wait.sleep(self)? == Wake::Signal && failures.has_part {
                    return Err(Errno::EINTR.into());
                }
                self.check_signals_and_mode()?;
                Ok(blocked)
            }
            Errno::EINTR => {
                let has_part = failures.has_part || blocked.has_part;
                // (A system call that returns a part does not say whether a signal ended it.)
                if has_part && (self.had_signal || self.was_interrupted(wake_ups)) {
                    return Err(Errno::EINTR.into());
                }
                // Handlers run first: the wait that follows reads the settings again.
                self.check_signals_and_mode()?;
                Ok(Blocked {
                    errno: Errno::EAGAIN,
                    ..blocked
                })
            }
            _ => Ok(blocked),
        }
    }

    /// Returns the error that broke a connection while a send waited. The kernel's own wait
    /// ends with this error; a send that begins afterwards gets only EPIPE.
    fn why_broken(&self) -> Option<Errno> {
        let guard = self.socket.acquire().ok().filter(|_| self.is_blocking())?;
        let error = sys::sockopt::get_int(guard.fd(), libc::SOL_SOCKET, libc::SO_ERROR);
        error.ok().filter(|error| *error != 0).map(Errno::from_raw)
    }

    /// Runs `attempt` until it succeeds or fails for good. It is a system call without a
    /// flag like MSG_DONTWAIT: it may block, detached from the VM, and is interrupted at
    /// intervals (EINTR).
    pub(super) fn retry_bounded<T>(
        &mut self,
        ready: Ready,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, Error> {
        let mut wait = Wait::new(ready);
        // The first attempt takes the place of the short poll.
        wait.is_short = false;
        loop {
            self.had_settings();
            match self.bounded(&mut attempt)? {
                Ok(done) => return Ok(done),
                // The descriptor's own mode or timeout, whoever set it.
                Err(Errno::EAGAIN) if self.is_blocking() && !self.settings_applied => {
                    return Err(Errno::EAGAIN.into());
                }
                Err(Errno::EAGAIN) => {}
                // Time to look again: this wait was not in vain.
                Err(Errno::EINTR) => wait.was_ready = false,
                Err(errno) => return Err(self.failed(errno)),
            }
            self.check_signals_and_mode()?;
            if self.deadline.timeout() == Timeout::NonBlocking {
                return Err(Errno::EAGAIN.into());
            }
            if self.is_blocking() {
                self.apply_late_settings(ready)?;
            }
            wait.once(self)?;
            self.check_signals_and_mode()?;
        }
    }

    /// Runs one system call that may block, detached from the VM. After [`INTERVAL`] it
    /// fails with EINTR or returns its partial result. If the socket is closed meanwhile, a
    /// failure is EBADF.
    pub(super) fn bounded<T>(
        &mut self,
        call: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<Result<T, Errno>, Error> {
        let result = self.bounded_attempt(call)?;
        self.was_blocking |= matches!(result, Err(Errno::EINTR));
        Ok(result)
    }

    /// Does what [`bounded`](Self::bounded) does, and takes no note of the mode.
    fn bounded_attempt<T>(
        &mut self,
        call: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<Result<T, Errno>, Error> {
        let left = self.check()?;
        let interval = left.map_or(INTERVAL, |left| INTERVAL.min(left));
        let socket = self.socket;
        let registered = register(&socket.waiters, &socket.control);
        let may_block = || socket.with(|fd| Ok(sys::socket::may_block(fd)));
        let wake_ups = signal::wake_ups();
        let made = self.vm.detached(move || match Interval::start(interval) {
            Ok(_interval) => Some(socket.with(call)),
            // Without a timer no call is made on a socket that is ready for nothing. On
            // another one it may block all the same, and only a signal or another thread's
            // wake-up ends it then.
            Err(_) if may_block() == Ok(true) => None,
            Err(_) => Some(socket.with(call)),
        });
        drop(registered);
        if matches!(made, Some(Err(Errno::EINTR))) {
            self.was_interrupted(wake_ups);
        }
        let result = made.unwrap_or(Err(Errno::EINTR));
        if result.is_err() {
            drop(self.acquire()?);
        }
        Ok(result)
    }

    /// Makes system calls that block for two ticks of the kernel's clock at most, if nobody else
    /// can use the descriptor meanwhile. If somebody may, `calls` does not run.
    // One function for accept and connect, because after a system call little of the code is in
    // the processor's cache.
    #[inline(never)]
    pub(super) fn alone(&mut self, calls: &mut dyn FnMut(BorrowedFd<'_>)) -> Result<(), Error> {
        let descriptor = &self.socket.descriptor;
        if !descriptor.may_be_alone() {
            return Ok(());
        }
        // Others can end the calls even if the script has guessed the number, and uses it.
        let _registered = self.socket.control.waits.register();
        self.check()?;
        self.vm.detached(|| {
            if let Some(guard) = descriptor.acquire_alone() {
                calls(guard.fd());
            }
        });
        Ok(())
    }

    /// Repeats `attempt`, and waits in between for what the attempt asks for. TLS needs
    /// this, because it reads in order to write and writes in order to read. The attempt
    /// moves bytes by calls of its own, which do not block.
    #[cfg(feature = "ssl")]
    pub(crate) fn alternate<T>(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<Step<T>, Error>,
    ) -> Result<T, Error> {
        let mut wait = Wait::new(Ready::Either);
        loop {
            let before = self.socket.moved();
            wait.ready = match attempt(self)? {
                Step::Done(done) => return Ok(done),
                Step::Wait(ready) => ready,
            };
            if self.socket.moved() != before {
                // The attempt moved bytes, so the last wait was not in vain.
                wait = Wait::new(wait.ready);
            }
            wait.once(self)?;
            self.check_signals_and_mode()?;
        }
    }

    /// Waits for another thread, until `done` returns true. Who makes it true wakes
    /// `waiters` afterwards. A non-blocking call waits, too, because the other thread's work
    /// does not depend on the peer.
    #[cfg(feature = "ssl")]
    pub(crate) fn wait_for(
        &mut self,
        waiters: &Waiters,
        done: impl FnMut() -> bool,
    ) -> Result<(), Error> {
        let mut unlimited = self.deadline;
        let deadline = if self.deadline.timeout() == Timeout::NonBlocking {
            unlimited.set_timeout(Timeout::Blocking);
            &mut unlimited
        } else {
            &mut self.deadline
        };
        wait::wait_until(self.vm, &self.socket.control, deadline, waiters, done)
    }

    /// Waits until poll(2) reports the socket ready.
    pub(super) fn wait_until_ready(&mut self, ready: Ready) -> Result<(), Error> {
        let mut wait = Wait::new(ready);
        while wait.once(self)? != Wake::Ready {
            self.check_signals_and_mode()?;
            if self.is_blocking() && !self.keeps_settings {
                self.apply_late_settings(ready)?;
            }
        }
        Ok(())
    }

    /// Sleeps, longer each time, until a signal comes or the time is up. For calls whose
    /// readiness poll(2) does not report.
    pub(super) fn sleep(&mut self, wait: &mut Wait) -> Result<(), Error> {
        wait.sleep(self)?;
        self.check_signals_and_mode()
    }

    /// Returns the error of a system call that failed for good, and records it, because it
    /// may be the error of a connect in the background.
    #[cold]
    pub(super) fn failed(&self, errno: Errno) -> Error {
        if errno == Errno::EBADF
            && let Err(error) = self.acquire()
        {
            return error;
        }
        self.socket.saw_error(errno);
        errno.into()
    }

    /// Checks the host's limits on bytes received or sent.
    #[inline]
    fn check_limit(&self, ready: Ready) -> Result<(), Limit> {
        let limits = &self.socket.control.limits;
        match ready {
            Ready::Write => limits.may_send(),
            _ => limits.may_receive(),
        }
    }

    /// Takes note of a signal that may have ended a system call; returns false if it was a
    /// wake-up. `wake_ups` is the thread's number of wake-ups before the system call.
    pub(super) fn was_interrupted(&mut self, wake_ups: u32) -> bool {
        let had_signal = pass_signal_on(&self.socket.control, wake_ups);
        self.had_signal |= had_signal;
        had_signal
    }

    /// Runs signal handlers, which may do anything to the socket, and reads the socket's
    /// mode again. If a signal has interrupted the call, or a handler is the first to make
    /// settings possible, the call begins again.
    pub(super) fn check_signals_and_mode(&mut self) -> Result<(), Error> {
        let had_settings = self.socket.may_have_settings();
        self.vm.check_signals()?;
        let has_new = !had_settings && self.socket.may_have_settings();
        if mem::take(&mut self.had_signal) || has_new {
            self.begin_again();
        }
        self.read_mode();
        Ok(())
    }

    /// Reads the socket's mode, which a signal handler or another thread may have changed.
    fn read_mode(&mut self) {
        let timeout = self.socket.timeout();
        if timeout != self.socket_timeout && !self.keeps_mode {
            self.socket_timeout = timeout;
            // A deadline is kept: a call that began with one ends then.
            if self.deadline.timeout() == Timeout::Blocking {
                self.deadline.set_timeout(timeout);
            }
        }
    }

    /// Acquires a guard on the descriptor again. EBADF if the socket was closed or
    /// detached; [`Error::Interrupted`] if the host ended all calls before it closed the
    /// sockets.
    pub(super) fn acquire(&self) -> Result<sys::descriptor::FdGuard<'a>, Error> {
        self.socket.acquire().map_err(|errno| {
            let interrupted = self
                .socket
                .control
                .check(self.deadline.interrupts_before, None);
            interrupted.err().unwrap_or(errno.into())
        })
    }

    /// Returns the call's remaining time; `None` means no limit.
    pub(super) fn left(&mut self) -> Result<Option<Duration>, Error> {
        if self.deadline.timeout() == Timeout::NonBlocking {
            // A signal handler, or another thread, made the socket non-blocking.
            return Err(Errno::EAGAIN.into());
        }
        let left = self.deadline.remaining()?;
        self.socket
            .control
            .check(self.deadline.interrupts_before, left)
    }

    /// Begins again after a signal whose handlers have run: the kernel's own call would have
    /// failed with EINTR, and be made again (PEP 475), with the settings of the descriptor at
    /// that time.
    fn begin_again(&mut self) {
        if !self.keeps_settings {
            self.settings_applied = false;
            self.had_settings = None;
            self.was_blocking = false;
            self.deadline.forget_the_kernels();
        }
    }

    /// Returns true if the socket might have settings of its own when the call began to wait.
    pub(super) fn had_settings(&mut self) -> bool {
        let socket = self.socket;
        *self
            .had_settings
            .get_or_insert_with(|| socket.may_have_settings())
    }

    /// Applies the descriptor's own settings to a blocking call that has waited. Those that
    /// have become possible meanwhile are for the next call.
    pub(super) fn apply_late_settings(&mut self, ready: Ready) -> Result<(), Error> {
        if !self.had_settings() && self.socket.may_have_settings() {
            self.settings_applied = true;
        }
        self.apply_descriptor_settings(ready)
    }

    /// Applies the descriptor's own settings to a blocking call: EAGAIN if another owner
    /// made it non-blocking; SO_RCVTIMEO or SO_SNDTIMEO as a further deadline.
    pub(super) fn apply_descriptor_settings(&mut self, ready: Ready) -> Result<(), Error> {
        if mem::replace(&mut self.settings_applied, true) {
            return Ok(());
        }
        let guard = self.acquire()?;
        if !self.was_blocking && sys::socket::is_nonblocking(guard.fd())? {
            // Unless another thread has just set a timeout for the socket.
            self.read_mode();
            return if self.is_blocking() {
                Err(Errno::EAGAIN.into())
            } else {
                Ok(())
            };
        }
        let option = match ready {
            Ready::Write => libc::SO_SNDTIMEO,
            _ => libc::SO_RCVTIMEO,
        };
        if let Some(timeout) = sys::sockopt::get_duration(guard.fd(), option)? {
            self.deadline.set_the_kernels(timeout);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Moving, NoVm};
    use crate::sockaddr::SockAddr;
    use crate::sys::socket::SocketSpec;
    use crate::testing::rounds;
    use nix::sys::socket::MsgFlags;
    use nix::unistd::{Pid, gettid};
    use std::cell::Cell;
    use std::os::fd::{AsFd, AsRawFd, OwnedFd};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Sender, channel};
    use std::thread;
    use std::time::Instant;

    const UNIX: SocketSpec = SocketSpec::new(libc::AF_UNIX, libc::SOCK_STREAM);

    /// Returns one end of a pair whose other end sends nothing.
    fn idle(timeout: Timeout) -> (Arc<Socket>, OwnedFd) {
        let (a, b) = sys::socket::socketpair(UNIX).unwrap();
        let socket = Arc::new(Socket::new(Arc::default()));
        let a = Moving::new(a, socket.control.permit().unwrap());
        socket.open(a, UNIX, timeout).unwrap();
        socket.apply_timeout(timeout).unwrap();
        (socket, b)
    }

    fn read(socket: &Socket) -> Result<usize, Error> {
        let received = Call::new(&NoVm, socket).recv(8, MessageFlags::NONE);
        received.map(|bytes| bytes.len())
    }

    #[test]
    fn a_timeout_runs_out() {
        let (socket, _peer) = idle(Timeout::After(Duration::from_millis(20)));
        let start = Instant::now();
        assert!(matches!(read(&socket), Err(Error::TimedOut)));
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    /// Like [`idle`]; the next wait polls busily for longer than any test takes.
    fn looking(timeout: Timeout) -> (Arc<Socket>, OwnedFd) {
        let (socket, peer) = idle(timeout);
        socket.control.set_busy_poll(Duration::from_secs(3600));
        socket.busy_poll.hasten();
        (socket, peer)
    }

    #[test]
    fn busy_polling_does_not_outlast_a_timeout() {
        let (socket, _peer) = looking(Timeout::After(Duration::from_micros(200)));
        assert!(matches!(read(&socket), Err(Error::TimedOut)));
    }

    #[test]
    fn busy_polling_finds_what_comes() {
        let (socket, peer) = looking(Timeout::Blocking);
        let writer = thread::spawn(move || nix::unistd::write(peer, b"x").unwrap());
        assert_eq!(read(&socket).unwrap(), 1);
        assert_eq!(writer.join().unwrap(), 1);
    }

    /// A VM that tells when a poll begins.
    struct Polling {
        begins: Sender<()>,
    }

    impl VmContext for Polling {
        fn detached<R>(&self, f: impl FnOnce() -> R) -> R {
            // Nobody listens after the first poll.
            let _ = self.begins.send(());
            f()
        }

        fn check_signals(&self) -> Result<(), Error> {
            Ok(())
        }
    }

    #[test]
    fn busy_polling_ends_for_the_host_and_for_close() {
        let interrupt = |socket: &Socket| socket.control.interrupt();
        let close = |socket: &Socket| socket.close().unwrap();
        let ends: [&dyn Fn(&Socket); 2] = [&interrupt, &close];
        let expected: [Error; 2] = [Error::Interrupted, Errno::EBADF.into()];
        for (end, expected) in ends.into_iter().zip(expected) {
            let (socket, _peer) = looking(Timeout::Blocking);
            thread::scope(|scope| {
                let (begins, begun) = channel();
                let socket = &*socket;
                let reader = scope.spawn(move || {
                    Call::new(&Polling { begins }, socket).recv(8, MessageFlags::NONE)
                });
                begun.recv().unwrap();
                end(socket);
                let ended = reader.join().unwrap().unwrap_err();
                assert_eq!(format!("{ended:?}"), format!("{expected:?}"));
            });
        }
    }

    /// A VM in which an answer and a signal come during the first wait.
    struct Answering {
        peer: OwnedFd,
        has_signal: Cell<bool>,
    }

    impl VmContext for Answering {
        fn detached<R>(&self, f: impl FnOnce() -> R) -> R {
            sys::socket::send(self.peer.as_fd(), b"x", MessageFlags::NONE).unwrap();
            self.has_signal.set(true);
            f()
        }

        fn check_signals(&self) -> Result<(), Error> {
            if self.has_signal.get() {
                return Err(Error::Raised);
            }
            Ok(())
        }
    }

    #[test]
    fn what_has_arrived_is_received_before_a_handler_raises() {
        for begin in [idle, looking] {
            let (socket, peer) = begin(Timeout::Blocking);
            let vm = Answering {
                peer,
                has_signal: Cell::new(false),
            };
            let received = Call::new(&vm, &socket).recv(8, MessageFlags::NONE);
            assert_eq!(received.unwrap(), b"x");
        }
    }

    #[test]
    fn a_timeout_that_another_thread_sets_is_not_taken_for_a_foreign_mode() {
        let (socket, peer) = idle(Timeout::Blocking);
        sys::socket::send(peer.as_fd(), b"x", MessageFlags::NONE).unwrap();
        let mut attempts = 0;
        let ended = Call::new(&NoVm, &socket).retry(Ready::Read, |_| {
            attempts += 1;
            if attempts == 2 {
                // Another thread was faster, and sets the timeout.
                let timeout = Timeout::After(Duration::from_millis(1));
                socket.apply_timeout(timeout).unwrap();
            }
            Err::<(), _>(Errno::EAGAIN.into())
        });
        assert!(matches!(ended, Err(Error::TimedOut)), "{ended:?}");
    }

    #[test]
    fn a_timeout_of_zero_does_not_wait() {
        let (socket, _peer) = idle(Timeout::NonBlocking);
        assert!(matches!(read(&socket), Err(Error::Errno(Errno::EAGAIN))));
    }

    /// Tells whether a thread is in a system call that waits for its socket.
    fn waits(thread: Pid) -> bool {
        let call = std::fs::read_to_string(format!("/proc/self/task/{thread}/syscall"));
        let number = call.map(|call| call.split(' ').next().and_then(|n| n.parse().ok()));
        matches!(number, Ok(Some(libc::SYS_recvfrom | libc::SYS_ppoll)))
    }

    /// Waits until `thread`, which runs `reader`, waits for its socket.
    fn wait_until_it_waits<T>(thread: Pid, reader: &thread::JoinHandle<T>) {
        while !waits(thread) {
            assert!(!reader.is_finished());
            thread::yield_now();
        }
    }

    /// Runs `read` in another thread, and then `end`, which gets the number of the round: at
    /// different moments around the beginning of the call, while the thread waits, or at
    /// different moments around the beginning of its second wait.
    fn ended_by(rounds: u64, end: impl Fn(&Socket, u64)) -> Vec<Result<usize, Error>> {
        let mut results = Vec::new();
        for round in 0..rounds {
            let (socket, _peer) = idle(Timeout::Blocking);
            let (tell, thread) = channel();
            let reader = {
                let socket = socket.clone();
                thread::spawn(move || {
                    tell.send(gettid()).unwrap();
                    read(&socket)
                })
            };
            let thread = thread.recv().unwrap();
            match round % 4 {
                0 | 2 => pass(round),
                1 => wait_until_it_waits(thread, &reader),
                _ => {
                    wait_until_it_waits(thread, &reader);
                    // Ends the short poll, after which the next one begins.
                    socket.waiters.wake_all();
                    pass(round);
                }
            }
            end(&socket, round);
            results.push(reader.join().unwrap());
        }
        results
    }

    /// Lets a time pass that differs from round to round: none to about 100 µs.
    fn pass(round: u64) {
        for _ in 0..round % 97 * 30 {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn close_ends_a_wait_with_ebadf_and_returns_when_the_number_is_free() {
        let results = ended_by(rounds(10_000), |socket, _| {
            socket.close().unwrap();
            assert!(!socket.descriptor.is_busy());
        });
        assert!(
            results
                .iter()
                .all(|result| matches!(result, Err(Error::Errno(Errno::EBADF))))
        );
    }

    #[test]
    fn detach_returns_when_nobody_uses_the_number() {
        let results = ended_by(rounds(10_000), |socket, _| {
            assert!(socket.detach().is_some() && !socket.descriptor.is_busy());
        });
        assert!(results.iter().all(Result::is_err));
    }

    #[test]
    fn shutdown_ends_a_wait() {
        let results = ended_by(rounds(10_000), |socket, _| {
            socket.shutdown(libc::SHUT_RD).unwrap();
        });
        assert!(results.iter().all(|result| matches!(result, Ok(0))));
    }

    #[test]
    fn a_deadline_ends_a_wait() {
        let results = ended_by(rounds(10_000), |socket, round| {
            let soon = Duration::from_micros(round % 89);
            socket.control.set_deadline(Some(Instant::now() + soon));
        });
        assert!(
            results
                .iter()
                .all(|result| matches!(result, Err(Error::Interrupted)))
        );
    }

    #[test]
    fn an_interrupt_ends_a_wait() {
        let (socket, _peer) = looking(Timeout::Blocking);
        let (began, begun) = channel();
        let reader = {
            let socket = socket.clone();
            thread::spawn(move || {
                began.send(()).unwrap();
                read(&socket)
            })
        };
        begun.recv().unwrap();
        // The first ones may come before the call has begun.
        while !reader.is_finished() {
            socket.control.interrupt();
            thread::yield_now();
        }
        assert!(matches!(reader.join().unwrap(), Err(Error::Interrupted)));
    }

    /// Makes a call that uses its descriptor alone and blocks all the same, as one may whose
    /// mode a script has changed by the number. Returns how it ended after `end`; `None` if no
    /// call can be alone, because another test has called fork(2).
    fn alone_until(end: impl Fn(&Socket, &dyn Fn() -> bool)) -> Option<Errno> {
        let (socket, _peer) = idle(Timeout::Blocking);
        let socket = &*socket;
        let (begins, begun) = channel();
        thread::scope(|scope| {
            let caller = scope.spawn(move || {
                let mut errno = None;
                let mut call = Call::new(&NoVm, socket);
                let made = call.alone(&mut |fd| {
                    begins.send(()).unwrap();
                    let fd = fd.as_raw_fd();
                    errno = nix::sys::socket::recv(fd, &mut [0], MsgFlags::empty()).err();
                });
                made.unwrap();
                errno
            });
            if begun.recv().is_ok() {
                end(socket, &|| caller.is_finished());
            }
            caller.join().unwrap()
        })
    }

    #[test]
    fn a_call_that_blocks_although_it_is_alone_can_be_ended() {
        let ended = alone_until(|socket, _| socket.close().unwrap());
        assert!(ended.is_none_or(|errno| errno == Errno::EINTR));
        let ended = alone_until(|socket, is_over| {
            while !is_over() {
                socket.control.interrupt();
                thread::yield_now();
            }
        });
        assert!(ended.is_none_or(|errno| errno == Errno::EINTR));
    }

    #[test]
    fn a_thread_that_closes_a_socket_it_uses_does_not_wait_for_itself() {
        let (socket, _peer) = idle(Timeout::Blocking);
        let guard = socket.acquire().unwrap();
        socket.close().unwrap();
        assert!(socket.descriptor.is_busy());
        drop(guard);
        assert!(!socket.descriptor.is_busy());
    }

    #[test]
    fn ready_in_vain_does_not_spin() {
        for timeout in [
            Timeout::Blocking,
            Timeout::After(Duration::from_millis(100)),
        ] {
            let (socket, peer) = idle(timeout);
            sys::socket::shutdown(peer.as_fd(), libc::SHUT_WR).unwrap();
            let mut attempts = 0;
            let limit = Duration::from_millis(100);
            let mut call = Call::new(&NoVm, &socket);
            let start = Instant::now();
            let result = call.retry(Ready::Read, |attempt| {
                attempts += 1;
                if start.elapsed() > limit {
                    return Err(Errno::ENOTCONN.into());
                }
                if attempt.waits() {
                    // As a call that blocks would be.
                    thread::sleep(INTERVAL);
                    return Err(Errno::EINTR.into());
                }
                Err::<(), _>(Errno::EAGAIN.into())
            });
            assert!(matches!(
                result,
                Err(Error::TimedOut | Error::Errno(Errno::ENOTCONN))
            ));
            assert!(attempts < 60, "{attempts} attempts");
        }
    }

    /// A VM with a signal handler, which runs at one of the checks from when it is armed.
    struct Handler<'a> {
        checks: Cell<u32>,
        handler: &'a dyn Fn(),
    }

    impl VmContext for Handler<'_> {
        fn detached<R>(&self, f: impl FnOnce() -> R) -> R {
            f()
        }

        fn check_signals(&self) -> Result<(), Error> {
            let before = self.checks.get();
            self.checks.set(before.saturating_sub(1));
            if before == 1 {
                (self.handler)();
            }
            Ok(())
        }
    }

    /// Makes the descriptor non-blocking, by its number.
    fn unblock(socket: &Socket) {
        let guard = socket.acquire_shared().unwrap();
        sys::socket::set_nonblocking(guard.fd(), true).unwrap();
    }

    #[test]
    fn the_first_settings_of_a_handler_count_at_whatever_check_it_runs() {
        for checks in 1..=12 {
            let (socket, peer) = idle(Timeout::Blocking);
            // (Another test may have called fork(2): then every socket may have settings.)
            let is_first = socket.descriptor.may_be_alone();
            let socket = &*socket;
            let received = thread::scope(|scope| {
                let caller = scope.spawn(move || {
                    let vm = Handler {
                        checks: Cell::new(checks),
                        handler: &|| unblock(socket),
                    };
                    Call::new(&vm, socket).recv(8, MessageFlags::NONE)
                });
                // Every wake-up makes the call check again.
                for _ in 0..2000 {
                    if caller.is_finished() {
                        break;
                    }
                    socket.waiters.wake_all();
                    thread::sleep(Duration::from_millis(1));
                }
                sys::socket::send(peer.as_fd(), b"late", MessageFlags::NONE).unwrap();
                caller.join().unwrap()
            });
            let ended = received.err();
            let is_right = matches!(ended, Some(Error::Errno(Errno::EAGAIN)));
            assert!(is_right || !is_first, "check {checks}: {ended:?}");
        }
    }

    #[test]
    fn what_a_handler_sets_counts_after_an_attempt_that_could_block() {
        let (socket, peer) = idle(Timeout::Blocking);
        socket.acquire_shared().unwrap();
        sys::socket::send(peer.as_fd(), b"x", MessageFlags::NONE).unwrap();
        let vm = Handler {
            checks: Cell::new(0),
            handler: &|| unblock(&socket),
        };
        let mut call = Call::new(&vm, &socket);
        let mut is_over = false;
        let received = thread::scope(|scope| {
            let (ends, ended) = channel::<()>();
            scope.spawn(move || {
                // Without an end the wait is for ever.
                if ended.recv_timeout(Duration::from_secs(5)).is_err() {
                    sys::socket::send(peer.as_fd(), b"late", MessageFlags::NONE).unwrap();
                }
            });
            let received = call.retry(Ready::Read, |attempt| {
                if is_over {
                    return Err(Errno::ENOTCONN.into());
                }
                if !attempt.waits() {
                    return Err::<(), _>(Errno::EAGAIN.into());
                }
                // Another thread was faster, and a signal comes.
                is_over = true;
                vm.checks.set(1);
                let interrupted = attempt.run(|fd| {
                    sys::receive::recv(fd, &mut [0], MessageFlags::DONT_WAIT)?;
                    Err(Errno::EINTR)
                });
                interrupted.map_err(Blocked::from)
            });
            ends.send(()).unwrap();
            received
        });
        assert!(
            matches!(received, Err(Error::Errno(Errno::EAGAIN))),
            "{received:?}"
        );
    }

    #[test]
    fn ready_for_a_part_is_not_in_vain() {
        // Each pause would be up to 20 ms: 10 s in all, and the time is up before.
        let (socket, peer) = idle(Timeout::After(Duration::from_secs(5)));
        sys::socket::shutdown(peer.as_fd(), libc::SHUT_WR).unwrap();
        let mut parts = 0;
        let mut call = Call::new(&NoVm, &socket);
        let result = call.retry(Ready::Read, |_| {
            parts += 1;
            let (errno, progress) = (Errno::EAGAIN, true);
            (parts > 600).then_some(parts).ok_or(Blocked {
                errno,
                progress,
                has_part: false,
            })
        });
        assert_eq!(result.unwrap(), 601);
    }

    #[test]
    fn the_kernels_own_timeout_is_kept() {
        let (socket, _peer) = idle(Timeout::Blocking);
        let guard = socket.acquire_shared().unwrap();
        let timeout = [0i64, 20_000].map(i64::to_ne_bytes).concat();
        sys::sockopt::set(guard.fd(), libc::SOL_SOCKET, libc::SO_RCVTIMEO, &timeout).unwrap();
        assert!(matches!(read(&socket), Err(Error::Errno(Errno::EAGAIN))));
    }

    #[test]
    fn a_descriptor_that_others_made_nonblocking_does_not_wait() {
        let (socket, _peer) = idle(Timeout::Blocking);
        let guard = socket.acquire_shared().unwrap();
        sys::socket::set_nonblocking(guard.fd(), true).unwrap();
        assert!(matches!(read(&socket), Err(Error::Errno(Errno::EAGAIN))));
    }

    #[test]
    fn a_connection_that_another_process_takes_leaves_nobody_stuck() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let others = listener.try_clone().unwrap();
        let spec = SocketSpec::new(libc::AF_INET, libc::SOCK_STREAM);
        let socket = Arc::new(Socket::new(Arc::default()));
        let moving = Moving::new(listener.into(), socket.control.permit().unwrap());
        socket.open(moving, spec, Timeout::Blocking).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let accepting = scope.spawn(|| {
                let mut accepted = 0;
                loop {
                    match Call::new(&NoVm, &socket).accept(&mut SockAddr::empty()) {
                        Ok(_) => accepted += 1,
                        Err(error) => return (accepted, error),
                    }
                }
            });
            // Somebody else, to whom the mode is blocking as well.
            let other = scope.spawn(|| {
                let mut accepted = 0;
                while !done.load(Ordering::Relaxed) {
                    others.accept().unwrap();
                    accepted += 1;
                }
                accepted
            });
            for _ in 0..300 {
                std::net::TcpStream::connect(address).unwrap();
            }
            thread::sleep(Duration::from_millis(30));
            let start = Instant::now();
            socket.close().unwrap();
            assert!(!socket.descriptor.is_busy());
            assert!(start.elapsed() < Duration::from_secs(5));
            let (_, error) = accepting.join().unwrap();
            assert!(matches!(error, Error::Errno(Errno::EBADF)));
            done.store(true, Ordering::Relaxed);
            while !other.is_finished() {
                let _ = std::net::TcpStream::connect(address);
                thread::sleep(Duration::from_millis(1));
            }
            assert!(other.join().unwrap() > 0);
        });
    }
}
