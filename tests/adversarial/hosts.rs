//! The host of the scripts: its descriptors, and its resolver.

use rustpython_socket::{ResolveError, Resolver};
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Pairs of which the scripts know the number of one end.
#[derive(Clone, Default)]
pub struct Descriptors(Arc<Mutex<Vec<(OwnedFd, UnixStream)>>>);

impl Descriptors {
    /// Opens a pair, with one end on the number `at` if that is free.
    pub fn take(&self, at: RawFd) -> bool {
        let (mut known, mut ours) = UnixStream::pair().unwrap();
        if ours.as_raw_fd() == at {
            std::mem::swap(&mut known, &mut ours);
        }
        let known = if known.as_raw_fd() == at {
            OwnedFd::from(known)
        } else {
            duplicate(&known, at)
        };
        let taken = known.as_raw_fd() == at;
        self.0.lock().unwrap().push((known, ours));
        taken
    }

    /// Opens a pair: the number of one end.
    pub fn open(&self) -> RawFd {
        let (known, ours) = UnixStream::pair().unwrap();
        let number = known.as_raw_fd();
        self.0.lock().unwrap().push((known.into(), ours));
        number
    }

    /// True if the pair with that number is still whole and silent.
    pub fn has(&self, number: RawFd) -> bool {
        let pairs = self.0.lock().unwrap();
        let mut of_number = pairs
            .iter()
            .filter(|(known, _)| known.as_raw_fd() == number);
        of_number.next_back().is_some_and(|(_, ours)| silent(ours))
    }

    /// True if nothing came out of any pair, and none was closed.
    pub fn are_untouched(&self) -> bool {
        let pairs = self.0.lock().unwrap();
        pairs.iter().all(|(_, ours)| silent(ours))
    }
}

/// A duplicate with the lowest free number from `at` on.
fn duplicate(of: &UnixStream, at: RawFd) -> OwnedFd {
    use nix::fcntl::{FcntlArg, fcntl};
    let number = fcntl(of, FcntlArg::F_DUPFD_CLOEXEC(at)).unwrap();
    // SAFETY: the number is new, and this is its only owner.
    unsafe { OwnedFd::from_raw_fd(number) }
}

fn silent(mut stream: &UnixStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0; 8]);
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// The hosts of the tests.
#[derive(Default)]
pub struct Names {
    /// Number of addresses that were asked for.
    pub asked: AtomicUsize,
    rebound: AtomicUsize,
    /// The names that should never have come here.
    pub leaked: Mutex<Vec<String>>,
}

/// The hosts of the tests, shared with who looks at them later.
pub struct Shared(pub Arc<Names>);

impl Resolver for Shared {
    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let names = &*self.0;
        names.asked.fetch_add(1, Ordering::SeqCst);
        let host = host.to_ascii_lowercase();
        let good = IpAddr::from([127, 0, 0, 1]);
        let bad = IpAddr::from([127, 0, 0, 9]);
        Ok(match host.trim_end_matches('.') {
            "allowed.test" => vec![good],
            "mixed.test" => vec![bad, good],
            "rebind.test" => match names.rebound.fetch_add(1, Ordering::SeqCst) {
                0 => vec![good],
                _ => vec![bad],
            },
            _ => {
                names.leaked.lock().unwrap().push(host);
                vec![good]
            }
        })
    }

    fn name(&self, address: IpAddr) -> Result<String, ResolveError> {
        if !address.is_loopback() || address == IpAddr::from([127, 0, 0, 9]) {
            let text = address.to_string();
            self.0.leaked.lock().unwrap().push(text);
        }
        Ok("allowed.test".to_owned())
    }
}
