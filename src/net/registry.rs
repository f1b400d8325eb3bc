//! The live sockets of one runtime.

use super::{Control, Limit, Socket};
use crate::policy::Event;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Every socket with a descriptor, by its number.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Live>);

type Live = BTreeMap<RawFd, Weak<Socket>>;

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Live> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of open sockets.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The open sockets.
    pub(crate) fn sockets(&self) -> Vec<Arc<Socket>> {
        let live = self.lock();
        live.values().filter_map(Weak::upgrade).collect()
    }

    /// The open socket with a descriptor.
    pub(crate) fn find(&self, fd: RawFd) -> Option<Arc<Socket>> {
        self.lock().get(&fd)?.upgrade()
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
        {
            let mut live = self.registry.lock();
            match live.entry(fd) {
                Entry::Occupied(entry) if ptr::eq(entry.get().as_ptr(), socket) => entry.remove(),
                _ => return,
            };
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
