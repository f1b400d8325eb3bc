//! What a host keeps of an interpreter that it has handed over.

use crate::net::Control;
use std::sync::Arc;

/// A host's hold on the sockets of one interpreter, from any thread.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) control: Arc<Control>,
}

impl Handle {
    /// Ends every socket call of the interpreter that is waiting now: it raises
    /// KeyboardInterrupt, which `except Exception` does not catch.
    ///
    /// ```
    /// use rustpython_socket::SocketModule;
    ///
    /// let module = SocketModule::new();
    /// let handle = module.handle();
    /// std::thread::spawn(move || handle.interrupt()).join().unwrap();
    /// ```
    pub fn interrupt(&self) {
        self.control.interrupt();
    }
}
