//! The live sockets of one runtime.

use super::{Control, Limit, Socket};
use crate::policy::Event;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::{array, mem, ptr};

/// Every socket with a descriptor, by its number.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Live>);

/// A table in two levels, so that one that grows copies nothing: a word for each
/// number, as in the kernel's own.
#[derive(Debug, Default)]
struct Live {
    pages: Vec<Option<Box<Page>>>,
    open: usize,
}

/// At a number that is no socket's is one that leads nowhere.
type Page = [Weak<Socket>; PAGE];

const PAGE: usize = 64;

/// The page of a number, and its place there.
fn place(fd: RawFd) -> Option<(usize, usize)> {
    let number = usize::try_from(fd).ok()?;
    Some((number / PAGE, number % PAGE))
}

impl Live {
    fn insert(&mut self, fd: RawFd, socket: Weak<Socket>) {
        let Some((page, at)) = place(fd) else {
            return;
        };
        if page >= self.pages.len() {
            self.pages.resize_with(page + 1, || None);
        }
        let new = || Box::new(array::from_fn(|_| Weak::new()));
        let before = mem::replace(&mut self.pages[page].get_or_insert_with(new)[at], socket);
        if before.ptr_eq(&Weak::new()) {
            self.open += 1;
        }
    }

    fn get(&self, fd: RawFd) -> Option<&Weak<Socket>> {
        let (page, at) = place(fd)?;
        Some(&self.pages.get(page)?.as_ref()?[at])
    }

    fn get_mut(&mut self, fd: RawFd) -> Option<&mut Weak<Socket>> {
        let (page, at) = place(fd)?;
        Some(&mut self.pages.get_mut(page)?.as_mut()?[at])
    }

    /// False if another socket, or none, has the number.
    fn remove(&mut self, fd: RawFd, socket: &Socket) -> bool {
        match self.get_mut(fd) {
            Some(slot) if ptr::eq(slot.as_ptr(), socket) => *slot = Weak::new(),
            _ => return false,
        }
        self.open -= 1;
        true
    }
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Live> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of open sockets.
    pub(crate) fn len(&self) -> usize {
        self.lock().open
    }

    /// The open sockets.
    pub(crate) fn sockets(&self) -> Vec<Arc<Socket>> {
        let live = self.lock();
        let slots = live.pages.iter().flatten().flat_map(|page| page.iter());
        slots.filter_map(Weak::upgrade).collect()
    }

    /// The open socket with a descriptor.
    pub(crate) fn find(&self, fd: RawFd) -> Option<Arc<Socket>> {
        self.lock().get(fd)?.upgrade()
    }
}

impl Control {
    /// Whether there is a limit to how many sockets may be open.
    pub(crate) fn are_sockets_limited(&self) -> bool {
        self.limits.sockets.load(Ordering::Relaxed) != usize::MAX
    }

    /// Whether so many more sockets may be opened.
    pub(crate) fn may_open(&self, more: usize) -> Result<(), Limit> {
        let most = self.limits.sockets.load(Ordering::Relaxed);
        match self.registry.len() + more <= most {
            true => Ok(()),
            false => Err(Limit::Sockets),
        }
    }

    /// A socket got its descriptor.
    pub(super) fn opened(&self, fd: RawFd, socket: &Arc<Socket>) {
        self.registry.lock().insert(fd, Arc::downgrade(socket));
        self.watch.opened.fetch_add(1, Ordering::Relaxed);
        if self.watch.is_hooked() {
            self.watch.tell(&Event::Opened {
                id: socket.id,
                family: socket.family(),
                kind: socket.kind(),
            });
        }
    }

    /// A socket is about to lose its descriptor.
    pub(super) fn closed(&self, fd: RawFd, socket: &Socket) {
        if !self.registry.lock().remove(fd, socket) {
            return;
        }
        let received = socket.received.swap(0, Ordering::Relaxed);
        let sent = socket.sent.swap(0, Ordering::Relaxed);
        self.watch.received.fetch_add(received, Ordering::Relaxed);
        self.watch.sent.fetch_add(sent, Ordering::Relaxed);
        if self.watch.is_hooked() {
            self.watch.tell(&Event::Closed {
                id: socket.id,
                received,
                sent,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_any_and_come_again() {
        let control = Arc::<Control>::default();
        let new = || Arc::new(Socket::new(control.clone()));
        let (first, second) = (new(), new());
        let mut live = Live::default();
        for fd in [0, 63, 64, 100_000] {
            live.insert(fd, Arc::downgrade(&first));
            assert!(live.get(fd).unwrap().upgrade().is_some());
        }
        assert_eq!(live.open, 4);
        // Closed by others, and the number is another socket's now.
        live.insert(64, Arc::downgrade(&second));
        assert_eq!(live.open, 4);
        assert!(!live.remove(64, &first) && live.remove(64, &second));
        assert!(!live.remove(64, &second) && live.remove(100_000, &first));
        assert_eq!(live.open, 2);
        for fd in [-1, i32::MIN, 1, 64, i32::MAX] {
            assert!(live.get(fd).is_none_or(|slot| slot.upgrade().is_none()));
            assert!(!live.remove(fd, &first));
        }
        live.insert(-1, Arc::downgrade(&first));
        assert_eq!(live.open, 2);
    }
}
