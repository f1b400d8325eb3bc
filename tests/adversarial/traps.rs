//! Servers that scripts must not reach, and those that they may.

use super::run::BINDABLE;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage};
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, UnixDatagram, UnixListener};

/// The numbers and names of targets; a child process gets them as text.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    pub tcp: u16,
    pub tcp6: u16,
    pub udp: u16,
    pub udp6: u16,
    pub directory: String,
    pub name: String,
}

impl Targets {
    pub fn stream_path(&self) -> String {
        format!("{}/stream", self.directory)
    }

    pub fn datagram_path(&self) -> String {
        format!("{}/datagram", self.directory)
    }

    /// Abstract names, without the NUL.
    pub fn stream_name(&self) -> String {
        format!("{}-stream", self.name)
    }

    pub fn datagram_name(&self) -> String {
        format!("{}-datagram", self.name)
    }

    pub fn to_text(&self) -> String {
        let Self {
            tcp,
            tcp6,
            udp,
            udp6,
            directory,
            name,
        } = self;
        format!("{tcp}\n{tcp6}\n{udp}\n{udp6}\n{directory}\n{name}")
    }

    pub fn from_text(text: &str) -> Self {
        let fields: Vec<_> = text.split('\n').collect();
        let [tcp, tcp6, udp, udp6, directory, name] = fields.as_slice() else {
            panic!("{text}");
        };
        let port = |text: &str| text.parse().unwrap();
        Self {
            tcp: port(tcp),
            tcp6: port(tcp6),
            udp: port(udp),
            udp6: port(udp6),
            directory: (*directory).to_owned(),
            name: (*name).to_owned(),
        }
    }
}

/// A real listener of each kind.
pub struct Traps {
    pub targets: Targets,
    tcp: [TcpListener; 2],
    udp: [UdpSocket; 2],
    streams: [UnixListener; 2],
    datagrams: [UnixDatagram; 2],
    _reserved: Vec<OwnedFd>,
}

/// Makes a socket whose port no other socket has, of whatever protocol, at any address that
/// scripts may use: a trace has the numbers alone.
fn alone<S>(reserved: &mut Vec<OwnedFd>, make: impl Fn() -> (u16, S)) -> S {
    let mut refused = Vec::new();
    for _ in 0..100 {
        let (port, socket) = make();
        let others: Vec<_> = ["127.0.0.1", "::1", BINDABLE]
            .into_iter()
            .flat_map(|host| [(host, SockType::Stream), (host, SockType::Datagram)])
            .filter_map(|(host, kind)| bound(host, port, kind))
            .collect();
        // All but the place that the socket itself has.
        if others.len() == 5 {
            reserved.extend(others);
            return socket;
        }
        refused.push(socket);
    }
    panic!("no port is free everywhere");
}

/// Makes a socket that has an address and never listens, if nobody else has the address.
pub fn bound(host: &str, port: u16, kind: SockType) -> Option<OwnedFd> {
    let address = SocketAddr::new(host.parse().unwrap(), port);
    let family = if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let made = socket::socket(family, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let address = SockaddrStorage::from(address);
    socket::bind(made.as_raw_fd(), &address).ok().map(|()| made)
}

impl Traps {
    /// `what` tells the targets of one process apart.
    pub fn hold(what: &str) -> Self {
        let name = format!("socket-test-{what}-{}", std::process::id());
        let directory = std::env::temp_dir().join(&name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        let mut targets = Targets {
            directory: directory.to_str().unwrap().to_owned(),
            name,
            ..Targets::default()
        };
        let mut reserved = Vec::new();
        let port = |address: std::io::Result<SocketAddr>| address.unwrap().port();
        let tcp = ["127.0.0.1:0", "[::1]:0"].map(|at| {
            alone(&mut reserved, || {
                let socket = TcpListener::bind(at).unwrap();
                (port(socket.local_addr()), socket)
            })
        });
        let udp = ["127.0.0.1:0", "[::1]:0"].map(|at| {
            alone(&mut reserved, || {
                let socket = UdpSocket::bind(at).unwrap();
                (port(socket.local_addr()), socket)
            })
        });
        [targets.tcp, targets.tcp6] = tcp.each_ref().map(|socket| port(socket.local_addr()));
        [targets.udp, targets.udp6] = udp.each_ref().map(|socket| port(socket.local_addr()));
        let named = |name: String| net::SocketAddr::from_abstract_name(name).unwrap();
        let streams = [
            UnixListener::bind(targets.stream_path()).unwrap(),
            UnixListener::bind_addr(&named(targets.stream_name())).unwrap(),
        ];
        let datagrams = [
            UnixDatagram::bind(targets.datagram_path()).unwrap(),
            UnixDatagram::bind_addr(&named(targets.datagram_name())).unwrap(),
        ];
        Self {
            targets,
            tcp,
            udp,
            streams,
            datagrams,
            _reserved: reserved,
        }
    }

    /// Returns what arrived: nothing, if scripts were kept away.
    pub fn arrivals(&self) -> Vec<String> {
        let mut arrived = Vec::new();
        self.arrivals_with(|text| arrived.push(text));
        arrived
    }

    fn arrivals_with(&self, mut arrived: impl FnMut(String)) {
        // True if there may be more.
        let mut note = |what: &str, result: std::io::Result<String>| match result {
            Ok(from) => {
                arrived(format!("{what}: {from}"));
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{what}: {error}");
                false
            }
        };
        for socket in &self.tcp {
            socket.set_nonblocking(true).unwrap();
            while note("TCP", socket.accept().map(|(_, from)| from.to_string())) {}
        }
        for socket in &self.streams {
            socket.set_nonblocking(true).unwrap();
            while note("unix", socket.accept().map(|(_, from)| format!("{from:?}"))) {}
        }
        for socket in &self.udp {
            socket.set_nonblocking(true).unwrap();
            let got = || socket.recv_from(&mut [0; 64]);
            while note("UDP", got().map(|(_, from)| from.to_string())) {}
        }
        for socket in &self.datagrams {
            socket.set_nonblocking(true).unwrap();
            let got = || socket.recv_from(&mut [0; 64]);
            while note("unix datagram", got().map(|(_, from)| format!("{from:?}"))) {}
        }
    }

    /// Takes what has come, and gives none of it to anybody: for targets that
    /// scripts may reach. No thread does this, since its descriptors would come
    /// and go at any time, and the scripts' numbers are a part of the tests.
    pub fn drain(&self) {
        self.arrivals_with(|_| {});
    }
}

impl Drop for Traps {
    /// Removes what `hold` made, also after a failure.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.targets.directory);
    }
}
