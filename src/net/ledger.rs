//! Owners of the descriptors of one runtime's scripts: each descriptor has one owner.
//!
//! A descriptor that a script may use is in one of these states:
//!
//! | state | owner | how a script names it |
//! |---|---|---|
//! | held | the word of a [`Socket`]: `sys::Descriptor` | the socket object, or its number |
//! | loose | an entry of the [`Ledger`]: an `OwnedFd` | its number alone |
//! | in flight | a local variable of one call: an `OwnedFd` | not at all |
//!
//! Moving the `OwnedFd` changes the state:
//!
//! - `socket()`, `accept()` and the like: in flight, then held ([`Socket::open`]).
//! - `detach()`, `dup()` by number, `_accept()`, received rights, the answer of
//!   an option that is a descriptor: in flight, then loose ([`Ledger::give`]).
//! - `socket(fileno=)` and `close()` of a number: loose, then in flight
//!   ([`Ledger::claim`]), then held or dropped.
//! - `handoff::from_script` and `from_number`: in flight, then the host's.
//!
//! These invariants hold at any time:
//!
//! 1. A number is a script's only while its owner says so. Permission is never kept for a
//!    number: the ledger looks the number up and finds the descriptor itself. A loose
//!    descriptor is used under the ledger's lock. A held one is used while a guard pins
//!    it, and only if the guard has the number that was asked for, because the list of
//!    sockets can be out of date: then it leads to a socket with another number, or none,
//!    and the number is not a script's.
//! 2. A socket is listed before its word gets the number, and is removed from the list
//!    while its word still pins the number. So every socket with a descriptor is listed,
//!    and the host can see and close it.
//! 3. A bit of the word, or a field of the entry, says whether a descriptor is bound to an
//!    address that was permitted. No Python object keeps this.
//! 4. A held or loose descriptor has a [`Permit`], taken before the system call that made
//!    it. Dropping or closing the descriptor gives the permit back.
//! 5. Once the permits are withdrawn ([`Permits::withdraw`]), no descriptor becomes held or
//!    loose; a descriptor in flight is dropped.
//! 6. Nothing is dropped under the lock, and no call that may wait is made there.
//!    `fcntl(F_DUPFD)` and `fstat` do not wait.

use super::linger::Linger;
use super::observer::{Observer, SocketId};
use super::{Control, Event, Limit, Socket};
use crate::sys::descriptor::{self, Facts};
use crate::sys::fork::{self, Inherited, InheritedGuard};
use crate::sys::loose::LooseFd;
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::{array, mem, ptr};

/// Limit on the descriptors of one runtime's scripts, and the number that they have.
#[derive(Debug)]
pub(crate) struct Permits {
    most: AtomicUsize,
    taken: AtomicUsize,
    withdrawn: AtomicBool,
    /// The generation of the process in which `taken` was counted.
    generation: AtomicU32,
}

impl Default for Permits {
    fn default() -> Self {
        Self {
            most: AtomicUsize::new(usize::MAX),
            taken: AtomicUsize::new(0),
            withdrawn: AtomicBool::new(false),
            generation: AtomicU32::new(fork::generation()),
        }
    }
}

impl Permits {
    pub(crate) fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Returns true if there is a limit.
    pub(crate) fn are_limited(&self) -> bool {
        self.most.load(Ordering::Relaxed) != usize::MAX
    }

    /// Gives no more permits. A descriptor in flight can no longer become held or loose.
    pub(super) fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::SeqCst);
    }

    pub(super) fn are_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::SeqCst)
    }

    /// Takes the permit for one descriptor, before the descriptor is made.
    pub(crate) fn take(self: &Arc<Self>) -> Result<Permit, Limit> {
        let most = self.most.load(Ordering::Relaxed);
        let more = |taken: usize| (taken < most && !self.are_withdrawn()).then(|| taken + 1);
        let taken = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        match taken {
            Ok(_) => Ok(Permit(Some(self.clone()))),
            Err(_) => Err(Limit::Sockets),
        }
    }

    /// Takes the permit for a descriptor that the host hands in, to which no limit applies.
    fn take_for_host(self: &Arc<Self>) -> Result<Permit, Limit> {
        if self.are_withdrawn() {
            return Err(Limit::Sockets);
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(Permit(Some(self.clone())))
    }

    /// Counts a permit less.
    fn give_back(&self) {
        // A permit of a parent process may not be counted here any more.
        let less = |taken: usize| taken.checked_sub(1);
        let _ = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Returns the number of permits taken.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// The right to have one descriptor. Dropping the permit lets another descriptor be
/// opened.
#[derive(Debug)]
pub(crate) struct Permit(Option<Arc<Permits>>);

impl Permit {
    /// Leaves the permit taken without keeping the value, for a socket, which has no room
    /// for it.
    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(permits) = &self.0 {
            permits.give_back();
        }
    }
}

/// The permit that was left with a socket's descriptor. Unlike a [`Permit`] it owns no
/// reference to the [`Permits`].
pub(super) struct HeldPermit<'a>(&'a Arc<Permits>);

impl HeldPermit<'_> {
    /// Makes it a permit again, for a descriptor that moves out of its socket.
    pub(super) fn into_permit(self) -> Permit {
        let permit = Permit(Some(self.0.clone()));
        mem::forget(self);
        permit
    }
}

impl Drop for HeldPermit<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// A descriptor in flight, with its permit.
#[derive(Debug)]
pub(crate) struct Moving {
    pub(crate) fd: OwnedFd,
    pub(crate) facts: Facts,
    pub(crate) permit: Permit,
    pub(crate) linger: Linger,
    /// SO_RCVTIMEO or SO_SNDTIMEO may be set.
    pub(crate) may_have_timeout: bool,
}

impl Moving {
    /// Makes a new descriptor's, which is not bound, and whose number nobody knows.
    pub(crate) fn new(fd: OwnedFd, permit: Permit) -> Self {
        Self {
            fd,
            facts: Facts::default(),
            permit,
            linger: Linger::default(),
            may_have_timeout: false,
        }
    }

    /// Closes the descriptor (close(2)).
    pub(crate) fn close(self) -> Result<(), Errno> {
        // Another process may have set SO_LINGER on this file.
        let _ = Linger::take(self.fd.as_fd());
        descriptor::close(self.fd.into_raw_fd())
    }
}

/// A duplicate of a script's descriptor.
#[derive(Debug)]
pub(crate) struct Duplicate {
    pub(crate) fd: OwnedFd,
    pub(crate) bound: bool,
    pub(crate) linger: Linger,
}

impl Duplicate {
    /// Duplicates a descriptor (F_DUPFD_CLOEXEC, fcntl(2)).
    pub(crate) fn of(fd: BorrowedFd<'_>, bound: bool, linger: Linger) -> Result<Self, Errno> {
        let fd = descriptor::duplicate(fd)?;
        Ok(Self { fd, bound, linger })
    }

    /// Returns the duplicate with its permit.
    pub(crate) fn with(self, permit: Permit) -> Moving {
        Moving {
            fd: self.fd,
            facts: Facts {
                is_bound: self.bound,
                is_shared: true,
            },
            permit,
            linger: self.linger,
            may_have_timeout: true,
        }
    }
}

/// A loose descriptor.
#[derive(Debug)]
struct Loose {
    fd: LooseFd,
    bound: bool,
    permit: Permit,
    linger: Linger,
    ticket: Ticket,
}

impl Loose {
    fn into_moving(self) -> Option<Moving> {
        Some(Moving {
            fd: self.fd.into_inner()?,
            facts: Facts {
                is_bound: self.bound,
                is_shared: true,
            },
            permit: self.permit,
            linger: self.linger,
            may_have_timeout: true,
        })
    }
}

/// Distinguishes entries that have had the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// Table of the descriptors of one runtime's scripts.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Inherited<Entries>,
    pub(crate) permits: Arc<Permits>,
}

/// The entries of a [`Ledger`]. The sockets are a table in two levels, so that growing
/// copies nothing; it has a word for each number, like the kernel's own table.
#[derive(Debug, Default)]
struct Entries {
    pages: Vec<Option<Box<Page>>>,
    loose: BTreeMap<RawFd, Loose>,
    tickets: u64,
}

/// Unused slots hold a dangling `Weak`.
type Page = [Weak<Socket>; PAGE];

const PAGE: usize = 64;

/// Returns the page of a number, and its place there.
fn place(fd: RawFd) -> Option<(usize, usize)> {
    let number = usize::try_from(fd).ok()?;
    Some((number / PAGE, number % PAGE))
}

impl Entries {
    fn sockets(&self) -> Vec<Arc<Socket>> {
        let slots = self.pages.iter().flatten().flat_map(|page| page.iter());
        slots.filter_map(Weak::upgrade).collect()
    }

    fn insert(&mut self, fd: RawFd, socket: Weak<Socket>) {
        let Some((page, at)) = place(fd) else {
            return;
        };
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        let new = || Box::new(array::from_fn(|_| Weak::new()));
        self.pages[page].get_or_insert_with(new)[at] = socket;
    }

    fn get(&self, fd: RawFd) -> Option<&Weak<Socket>> {
        let (page, at) = place(fd)?;
        Some(&self.pages.get(page)?.as_ref()?[at])
    }

    fn get_mut(&mut self, fd: RawFd) -> Option<&mut Weak<Socket>> {
        let (page, at) = place(fd)?;
        Some(&mut self.pages.get_mut(page)?.as_mut()?[at])
    }

    /// Does nothing if another socket, or none, is listed at the number.
    fn remove(&mut self, fd: RawFd, socket: &Socket) {
        if let Some(slot) = self.get_mut(fd)
            && ptr::eq(slot.as_ptr(), socket)
        {
            *slot = Weak::new();
        }
    }
}

impl Ledger {
    fn lock(&self) -> InheritedGuard<'_, Entries> {
        self.entries.lock()
    }

    /// Counts the permits again in a child process: those of calls in flight belonged to
    /// the parent's other threads, which the child does not have.
    #[inline]
    fn count_after_a_fork(&self) {
        if self.permits.generation.load(Ordering::Relaxed) != fork::generation() {
            self.count_again();
        }
    }

    #[cold]
    fn count_again(&self) {
        let generation = fork::generation();
        let counted = &self.permits.generation;
        let entries = self.lock();
        // Dropped after the lock, which a socket needs to close.
        let sockets = entries.sockets();
        if counted.swap(generation, Ordering::Relaxed) != generation {
            let held = sockets
                .iter()
                .filter(|socket| socket.descriptor.number() >= 0);
            let taken = held.count() + entries.loose.len();
            self.permits.taken.store(taken, Ordering::Relaxed);
        }
        drop(entries);
    }

    /// Returns the sockets that are open.
    pub(crate) fn sockets(&self) -> Vec<Arc<Socket>> {
        self.lock().sockets()
    }

    /// Returns the number of open sockets, and the bytes received and sent by all sockets,
    /// of which `observer` counts those that were closed.
    pub(crate) fn sums(&self, observer: &Observer) -> (usize, u64, u64) {
        let entries = self.lock();
        // Dropped after the lock, which a socket needs to close.
        let sockets = entries.sockets();
        let mut received = observer.received.load(Ordering::Relaxed);
        let mut sent = observer.sent.load(Ordering::Relaxed);
        for socket in &sockets {
            received += socket.received.load(Ordering::Relaxed);
            sent += socket.sent.load(Ordering::Relaxed);
        }
        drop(entries);
        (sockets.len(), received, sent)
    }

    /// Returns the numbers of the loose descriptors.
    pub(crate) fn loose(&self) -> Vec<RawFd> {
        self.lock().loose.keys().copied().collect()
    }

    /// Returns the socket that is listed at a number. Only a guard tells whether the socket
    /// still has that number.
    fn listed(&self, fd: RawFd) -> Option<Arc<Socket>> {
        self.lock().get(fd)?.upgrade()
    }

    /// Makes a descriptor loose. Returns its number, and the ticket that distinguishes it
    /// from later descriptors with that number; no ticket if a socket has the number. Drops the descriptor if the permits are
    /// withdrawn.
    pub(crate) fn give(&self, moving: Moving) -> Result<(RawFd, Option<Ticket>), Limit> {
        let Moving {
            fd,
            facts,
            permit,
            linger,
            may_have_timeout: _,
        } = moving;
        let fd = LooseFd::new(fd);
        let number = fd.number();
        // Without a policy a script can make two objects of one number, as `ssl` does. If
        // the first object detaches the descriptor, it stays the second's.
        let other = self.listed(number);
        if other.is_some_and(|other| other.descriptor.number() == number) {
            fd.forget();
            return Ok((number, None));
        }
        let mut entries = self.lock();
        if self.permits.are_withdrawn() {
            drop(entries);
            return Err(Limit::Sockets);
        }
        entries.tickets += 1;
        let ticket = Ticket(entries.tickets);
        let loose = Loose {
            fd,
            bound: facts.is_bound,
            permit,
            linger,
            ticket,
        };
        let before = entries.loose.insert(number, loose);
        drop(entries);
        // The kernel gives no number twice, so the script has closed the earlier descriptor
        // itself. The number is the new descriptor's, even if both are of one file.
        if let Some(before) = before {
            before.fd.forget();
        }
        Ok((number, Some(ticket)))
    }

    /// Moves the loose descriptor with this number out. `None` if there is none: the number
    /// is not the script's, or is a socket's.
    pub(crate) fn claim(&self, fd: RawFd) -> Option<Moving> {
        let found = self.lock().loose.remove(&fd);
        found?.into_moving()
    }

    /// Moves the descriptor of a ticket out, unless it was moved out meanwhile.
    pub(crate) fn reclaim(&self, fd: RawFd, ticket: Option<Ticket>) -> Option<Moving> {
        let ticket = ticket?;
        let found = {
            let mut entries = self.lock();
            if entries.loose.get(&fd)?.ticket != ticket {
                return None;
            }
            entries.loose.remove(&fd)
        };
        found?.into_moving()
    }

    /// Moves the descriptor with this number out of the socket that has it. Ends
    /// the calls that use it.
    pub(crate) fn take_from_socket(&self, fd: RawFd) -> Option<Moving> {
        self.listed(fd)?.detach_number(Some(fd))
    }

    /// Tells the socket with this number, if there is one, that it has another owner.
    pub(crate) fn share(&self, fd: RawFd) {
        if let Some(socket) = self.listed(fd) {
            socket.descriptor.share();
        }
    }

    /// Closes the socket that has this number. `None` if there is no such socket.
    pub(crate) fn close_socket(&self, fd: RawFd) -> Option<Result<(), Errno>> {
        let socket = self.listed(fd)?;
        match socket.close_number(Some(fd)) {
            Ok(true) => Some(Ok(())),
            Ok(false) => None,
            Err(errno) => Some(Err(errno)),
        }
    }

    /// Closes the socket with this id, without waiting for its peer, and ends the calls
    /// that use it. Returns false if no such socket is open.
    pub(crate) fn close_id(&self, id: SocketId) -> bool {
        let sockets = self.sockets();
        let Some(socket) = sockets.iter().find(|socket| socket.id == id) else {
            return false;
        };
        // After an error of close(2) the socket is closed, too.
        socket.close_number(None).unwrap_or(true)
    }

    /// Duplicates the script's descriptor with this number. The boolean says whether it is
    /// bound to an address that was permitted. `None` if the number is not a script's.
    pub(crate) fn duplicate(&self, fd: RawFd) -> Option<Result<Duplicate, Errno>> {
        let socket = {
            let mut entries = self.lock();
            if let Some(loose) = entries.loose.get_mut(&fd)
                && let Some(own) = loose.fd.get()
            {
                let linger = loose.linger.share();
                return Some(Duplicate::of(own, loose.bound, linger));
            }
            entries.get(fd)?.upgrade()?
        };
        let guard = socket.acquire_shared().ok()?;
        if guard.number() != fd {
            return None;
        }
        Some(Duplicate::of(
            guard.fd(),
            guard.is_bound(),
            socket.share_linger(),
        ))
    }

    /// Closes all descriptors, and ends the calls that use them.
    pub(crate) fn close_all(&self) {
        let sockets = self.sockets();
        // The guards keep the descriptors open until all sockets are closed for the script,
        // so that a call that waits on one end of a pair does not see the other end close.
        let guards: Vec<_> = sockets.iter().map(|socket| socket.acquire()).collect();
        let permits: Vec<_> = sockets
            .iter()
            .map(|socket| socket.begin_to_close(None))
            .collect();
        drop(guards);
        for socket in &sockets {
            socket.wait_until_idle();
        }
        let loose = mem::take(&mut self.lock().loose);
        // A descriptor from another process may still have the kernel's SO_LINGER.
        for descriptor in loose.values().filter_map(|loose| loose.fd.get()) {
            let _ = Linger::take(descriptor);
        }
        drop((loose, permits));
    }
}

impl Control {
    /// Takes the permit for one more descriptor.
    pub(crate) fn permit(&self) -> Result<Permit, Limit> {
        self.ledger.count_after_a_fork();
        self.ledger.permits.take()
    }

    /// Takes the permit for a descriptor that the host hands in.
    pub(crate) fn permit_of_host(&self) -> Result<Permit, Limit> {
        self.ledger.count_after_a_fork();
        self.ledger.permits.take_for_host()
    }

    /// Lists a socket that is about to get this descriptor.
    pub(super) fn list(&self, fd: RawFd, socket: &Arc<Socket>) {
        let mut entries = self.ledger.lock();
        entries.insert(fd, Arc::downgrade(socket));
        // The kernel gave this number to a new socket, so the script has closed the old
        // descriptor by `os.close`. Forget the old entry without closing the number, which
        // is the socket's now, even if both are of one file.
        let stale = if entries.loose.is_empty() {
            None
        } else {
            entries.loose.remove(&fd)
        };
        drop(entries);
        if let Some(stale) = stale {
            stale.fd.forget();
        }
    }

    /// Removes a socket that did not get this descriptor.
    pub(super) fn unlist(&self, fd: RawFd, socket: &Socket) {
        self.ledger.lock().remove(fd, socket);
    }

    /// Records that a socket got its descriptor, with this permit.
    pub(super) fn opened(&self, socket: &Arc<Socket>, permit: Permit) {
        permit.leave();
        self.observer.opened.fetch_add(1, Ordering::Relaxed);
        if self.observer.is_hooked() {
            self.observer.emit(&Event::Opened {
                id: socket.id,
                family: socket.family(),
                socket_type: socket.socket_type(),
            });
        }
    }

    /// Adds the bytes of a socket to those of closed sockets; returns how many it had
    /// received and sent.
    pub(super) fn count_bytes_of(&self, socket: &Socket) -> (u64, u64) {
        let observer = &self.observer;
        let add = |bytes: &AtomicU64, sum: &AtomicU64| {
            // Mostly there are none: the socket is dropped after it was closed.
            if bytes.load(Ordering::Relaxed) == 0 {
                return 0;
            }
            let bytes = bytes.swap(0, Ordering::Relaxed);
            sum.fetch_add(bytes, Ordering::Relaxed);
            bytes
        };
        (
            add(&socket.received, &observer.received),
            add(&socket.sent, &observer.sent),
        )
    }

    /// Removes a socket that is about to lose its descriptor. Returns its permit.
    pub(super) fn closed(&self, fd: RawFd, socket: &Socket) -> HeldPermit<'_> {
        // Under one lock, so that no sum misses the bytes.
        let mut entries = self.ledger.lock();
        entries.remove(fd, socket);
        let (received, sent) = self.count_bytes_of(socket);
        drop(entries);
        if self.observer.is_hooked() {
            socket.forget_connect();
            self.observer.emit(&Event::Closed {
                id: socket.id,
                bytes_received: received,
                bytes_sent: sent,
            });
        }
        HeldPermit(&self.ledger.permits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Timeout;
    use crate::sys::socket::SocketSpec;
    use nix::libc;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    const UNIX: SocketSpec = SocketSpec::new(libc::AF_UNIX, libc::SOCK_STREAM);

    fn control() -> Arc<Control> {
        Arc::default()
    }

    fn pair(control: &Control) -> (Moving, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        (Moving::new(ours.into(), control.permit().unwrap()), theirs)
    }

    fn is_closed(mut peer: &UnixStream) -> bool {
        matches!(std::io::Read::read(&mut peer, &mut [0]), Ok(0))
    }

    fn opened(control: &Arc<Control>, moving: Moving) -> Arc<Socket> {
        let socket = Arc::new(Socket::new(control.clone()));
        socket.open(moving, UNIX, Timeout::Blocking).unwrap();
        socket
    }

    #[test]
    fn numbers_may_be_any_and_come_again() {
        let control = control();
        let new = || Arc::new(Socket::new(control.clone()));
        let (first, second) = (new(), new());
        let mut live = Entries::default();
        for fd in [0, 63, 64, 100_000] {
            live.insert(fd, Arc::downgrade(&first));
            assert!(live.get(fd).unwrap().upgrade().is_some());
        }
        assert_eq!(live.sockets().len(), 4);
        // Closed by others, and the number is another socket's now.
        live.insert(64, Arc::downgrade(&second));
        live.remove(64, &first);
        assert_eq!(live.sockets().len(), 4);
        live.remove(64, &second);
        live.remove(64, &second);
        live.remove(100_000, &first);
        assert_eq!(live.sockets().len(), 2);
        for fd in [-1, i32::MIN, 1, 64, i32::MAX] {
            assert!(live.get(fd).is_none_or(|slot| slot.upgrade().is_none()));
            live.remove(fd, &first);
        }
        live.insert(-1, Arc::downgrade(&first));
        assert_eq!(live.sockets().len(), 2);
    }

    #[test]
    fn what_is_given_is_claimed_once() {
        let control = control();
        let ledger = &control.ledger;
        let (moving, peer) = pair(&control);
        let (number, ticket) = ledger.give(moving).unwrap();
        assert_eq!(ledger.loose(), [number]);
        assert!(ledger.duplicate(number).unwrap().is_ok());
        let moving = ledger.claim(number).unwrap();
        assert!(ledger.claim(number).is_none() && ledger.duplicate(number).is_none());
        // The same number again, but not the same entry.
        let (again, _) = ledger.give(moving).unwrap();
        assert!(again == number && ledger.reclaim(number, ticket).is_none());
        drop(ledger.claim(number));
        assert!(is_closed(&peer));
        assert_eq!(ledger.permits.taken(), 0);
    }

    #[test]
    fn a_listed_number_that_the_socket_does_not_have_is_nobodys() {
        let control = control();
        let (moving, _peer) = pair(&control);
        let socket = opened(&control, moving);
        let number = socket.descriptor.number();
        let wrong = std::fs::File::open("/dev/null").unwrap();
        // What an `__init__` in the middle of a close() used to leave behind.
        control.list(wrong.as_raw_fd(), &socket);
        for ask in [wrong.as_raw_fd(), -1] {
            assert!(control.ledger.duplicate(ask).is_none());
            assert!(control.ledger.take_from_socket(ask).is_none());
            assert!(control.ledger.close_socket(ask).is_none());
        }
        assert_eq!(socket.descriptor.number(), number);
        assert!(control.ledger.duplicate(number).unwrap().is_ok());
    }

    #[test]
    fn a_bound_descriptor_stays_bound_wherever_it_goes() {
        let control = control();
        let (moving, _peer) = pair(&control);
        let socket = opened(&control, moving);
        socket.acquire().unwrap().set_bound();
        let number = socket.descriptor.number();
        assert!(control.ledger.duplicate(number).unwrap().unwrap().bound);
        let moving = control.ledger.take_from_socket(number).unwrap();
        assert!(moving.facts.is_bound);
        control.ledger.give(moving).unwrap();
        assert!(control.ledger.duplicate(number).unwrap().unwrap().bound);
        let (other, _far) = pair(&control);
        socket.open(other, UNIX, Timeout::Blocking).unwrap();
        assert!(!socket.acquire().unwrap().is_bound());
    }

    #[test]
    fn permits_are_taken_before_and_given_back_at_the_end() {
        let control = control();
        let permits = &control.ledger.permits;
        permits.set_most(2);
        let (one, _a) = pair(&control);
        let (two, _b) = pair(&control);
        assert_eq!(control.permit().err(), Some(Limit::Sockets));
        drop(one);
        let socket = opened(&control, two);
        let third = control.permit().unwrap();
        assert!(control.permit().is_err());
        // Detached, closed, dropped: each gives one back, once.
        let moving = socket.detach_number(None).unwrap();
        assert!(control.permit().is_err());
        socket.open(moving, UNIX, Timeout::Blocking).unwrap();
        socket.close().unwrap();
        socket.close().unwrap();
        assert_eq!(permits.taken(), 1);
        drop((third, socket));
        assert_eq!(permits.taken(), 0);
        let (moving, _c) = pair(&control);
        drop(opened(&control, moving));
        assert_eq!(permits.taken(), 0);
    }

    #[test]
    fn permits_of_a_parents_calls_do_not_count_in_a_child() {
        let control = control();
        control.ledger.permits.set_most(3);
        let (one, _a) = pair(&control);
        let (two, _b) = pair(&control);
        let _socket = opened(&control, one);
        control.ledger.give(two).unwrap();
        let _of_a_call = control.permit().unwrap();
        assert!(control.permit().is_err());
        crate::sys::fork::testing::in_child(|| {
            let last = control.permit();
            last.is_ok() && control.permit().is_err()
        });
        assert!(control.permit().is_err());
    }

    #[test]
    fn nothing_is_opened_with_a_permit_from_before_the_stop() {
        let control = control();
        let (one, a) = pair(&control);
        let (two, b) = pair(&control);
        control.stop();
        let socket = Arc::new(Socket::new(control.clone()));
        assert!(socket.open(one, UNIX, Timeout::Blocking).is_err());
        assert!(socket.acquire().is_err() && is_closed(&a));
        assert!(control.ledger.give(two).is_err() && is_closed(&b));
        assert!(control.permit().is_err());
        assert_eq!(control.ledger.permits.taken(), 0);
    }

    #[test]
    fn close_all_leaves_nothing_open() {
        let control = control();
        let (one, a) = pair(&control);
        let (two, b) = pair(&control);
        let _socket = opened(&control, one);
        control.ledger.give(two).unwrap();
        control.ledger.close_all();
        assert!(is_closed(&a) && is_closed(&b));
        assert!(control.ledger.loose().is_empty() && control.ledger.sockets().is_empty());
        assert_eq!(control.ledger.permits.taken(), 0);
    }

    /// Numbers are asked for while an object closes and opens in other threads:
    /// whatever comes out is a descriptor of the object's.
    #[test]
    fn an_object_that_is_opened_and_closed_by_many() {
        let control = control();
        let socket = Arc::new(Socket::new(control.clone()));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let (moving, _peer) = pair(&control);
                        let _ = socket.open(moving, UNIX, Timeout::Blocking);
                        let _ = socket.close();
                    }
                    stop.store(true, Ordering::Relaxed);
                });
            }
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    for number in 0..256 {
                        if let Some(Ok(copy)) = control.ledger.duplicate(number) {
                            let of = crate::sys::socket::getsockname(copy.fd.as_fd());
                            assert_eq!(of.unwrap().family(), libc::AF_UNIX);
                        }
                    }
                }
            });
        });
        assert!(control.ledger.sockets().is_empty());
        assert_eq!(control.ledger.permits.taken(), 0);
    }
}
