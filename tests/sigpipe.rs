//! A script's send on a broken connection raises SIGPIPE only where the host chose that.

mod support;

use nix::libc;
use rustpython_socket::SocketModule;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Lean, set_int};

/// Number of signals that came.
static RAISED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    RAISED.fetch_add(1, Ordering::Relaxed);
}

/// Each way to send, once on a connection whose peer is gone.
const SCRIPT: &str = "
import socket
class File:
    def fileno(self): return FILE
    def read(self, n): return b'x' * n
    def seek(self, *_): pass
def timeout(s): s.settimeout(5); s.send(b'x')
for call in (
    lambda s: s.send(b'x'), lambda s: s.sendall(b'x'), lambda s: s.sendmsg([b'x']), timeout,
    lambda s: s.makefile('wb', 0).write(b'x'), lambda s: s._sendfile_use_sendfile(File()),
):
    one, other = socket.socketpair()
    other.close()
    try: call(one)
    except BrokenPipeError: pass
    # What sendfile(2) says first stands for: try otherwise.
    except Exception as e: assert type(e).__name__ == '_GiveupOnSendfile', e
    else: assert False
";

#[test]
fn a_broken_connection_is_sigpipe_where_the_host_chose_it() {
    let handler: extern "C" fn(libc::c_int) = count;
    // SAFETY: the handler does nothing but add to an atomic.
    unsafe { libc::signal(libc::SIGPIPE, handler as libc::sighandler_t) };
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let raised = |module| {
        RAISED.store(0, Ordering::Relaxed);
        let file = file.as_raw_fd().into();
        let done = Lean::new(module).try_run(SCRIPT, |vm, scope| set_int(vm, scope, "FILE", file));
        if let Err(text) = done {
            panic!("{text}");
        }
        RAISED.load(Ordering::Relaxed)
    };
    assert_eq!(raised(SocketModule::new()), 0);
    assert_eq!(raised(SocketModule::new().sigpipe(true)), 6);
    assert_eq!(raised(SocketModule::new().sigpipe(true).sigpipe(false)), 0);
}
