//! The time that the machine takes to wake a thread at all, beside which an interrupt is evaluated.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A thread that waits to be woken, and says when it was.
pub struct Control {
    wake: Sender<()>,
    woken: Receiver<Instant>,
    thread: JoinHandle<()>,
}

impl Control {
    pub fn start() -> Self {
        let (wake, calls) = channel();
        let (say, woken) = channel();
        let thread = thread::spawn(move || {
            for () in calls {
                let _ = say.send(Instant::now());
            }
        });
        Self {
            wake,
            woken,
            thread,
        }
    }

    /// Wakes the thread: how long that took.
    pub fn round(&self) -> Duration {
        let start = Instant::now();
        self.wake.send(()).unwrap();
        self.woken.recv().unwrap().duration_since(start)
    }

    pub fn end(self) {
        drop(self.wake);
        self.thread.join().unwrap();
    }
}
