//! The benchmark's rows as system calls without any Python: what the kernel alone costs.
//!
//!     raw [--turns SECONDS PASSES] ROW

use std::error::Error;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, getsockname, getsockopt, recv,
    recvmsg, send, sendmsg, socket, sockopt,
};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let mut pass = Pass {
        seconds: 0.1,
        count: 3,
        turns: false,
    };
    let mut title = arguments.next().ok_or("no row named")?;
    if title == "--turns" {
        let mut number = || arguments.next().ok_or("a number is missing");
        pass = Pass {
            seconds: number()?.parse()?,
            count: number()?.parse()?,
            turns: true,
        };
        title = arguments.next().ok_or("no row named")?;
    }
    let took = row(&title, &|work| pass.seconds(work))?;
    println!("[\"{title}\", {took:e}]");
    Ok(())
}

/// How to measure, as `rows/timing.py` does.
struct Pass {
    seconds: f64,
    count: u32,
    /// Whether each waits for its turn.
    turns: bool,
}

impl Pass {
    /// Seconds a round, the best of some passes.
    fn seconds(&self, work: &mut dyn FnMut(u64) -> Outcome) -> Result<f64, Box<dyn Error>> {
        let mut once = |rounds| -> Result<f64, Box<dyn Error>> {
            let start = Instant::now();
            work(rounds)?;
            Ok(start.elapsed().as_secs_f64())
        };
        let mut rounds = 1;
        let took = loop {
            let took = once(rounds)?;
            if took > self.seconds / 4.0 {
                break took;
            }
            rounds *= 2;
        };
        let rounds = ((rounds as f64 * self.seconds / took) as u64).max(1);
        let mut best = f64::INFINITY;
        for _ in 0..self.count {
            if self.turns {
                println!("turn");
                if std::io::stdin().read_line(&mut String::new())? == 0 {
                    return Err("nobody waits for the result".into());
                }
            }
            best = best.min(once(rounds)?);
        }
        Ok(best / rounds as f64)
    }
}

type Measure<'a> = &'a dyn Fn(&mut dyn FnMut(u64) -> Outcome) -> Result<f64, Box<dyn Error>>;

fn row(title: &str, measure: Measure) -> Result<f64, Box<dyn Error>> {
    match title {
        // A recv into memory that is there already; a timeout costs no call.
        "send 1 byte + recv(64)" | "send 1 byte + recv(64), with a timeout" => ping(64, measure),
        "send 1 byte + recv(65536)" | "send 1 byte + recv_into 64 KiB" => ping(65536, measure),
        "sendall 64 KiB + recv_into" | "sendall 64 KiB + recv" => large(measure),
        "UDP sendto + recvfrom" => datagrams(measure),
        "socket + connect + accept + close both" => connections(measure),
        "socket() + close()" => measure(&mut |n| {
            for _ in 0..n {
                socket(
                    AddressFamily::Inet,
                    SockType::Stream,
                    SockFlag::SOCK_CLOEXEC,
                    None,
                )?;
            }
            Ok(())
        }),
        "getsockopt, an int" => {
            let (a, _b) = UnixStream::pair()?;
            measure(&mut |n| {
                for _ in 0..n {
                    getsockopt(&a, sockopt::SockType)?;
                }
                Ok(())
            })
        }
        "getsockname" => {
            let (a, _b) = tcp_pair()?;
            measure(&mut |n| {
                for _ in 0..n {
                    getsockname::<SockaddrIn>(a.as_raw_fd())?;
                }
                Ok(())
            })
        }
        "sendmsg of two buffers + recvmsg" => messages(measure),
        "send 1 byte + recv(64), two threads at once" => two_threads(measure),
        "TCP echo round trip, thread to thread" => echo(measure),
        _ => Err(format!("not a row of system calls: {title}").into()),
    }
}

fn exchange(a: &UnixStream, b: &UnixStream, buffer: &mut [u8]) -> Outcome {
    send(a.as_raw_fd(), b"x", MsgFlags::empty())?;
    recv(b.as_raw_fd(), buffer, MsgFlags::empty())?;
    Ok(())
}

fn ping(size: usize, measure: Measure) -> Result<f64, Box<dyn Error>> {
    let (a, b) = UnixStream::pair()?;
    let mut buffer = vec![0; size];
    measure(&mut |n| {
        for _ in 0..n {
            exchange(&a, &b, &mut buffer)?;
        }
        Ok(())
    })
}

fn large(measure: Measure) -> Result<f64, Box<dyn Error>> {
    let (mut a, mut b) = UnixStream::pair()?;
    let data = vec![b'x'; 65536];
    let mut buffer = vec![0; 65536];
    measure(&mut |n| {
        for _ in 0..n {
            a.write_all(&data)?;
            b.read_exact(&mut buffer)?;
        }
        Ok(())
    })
}

fn datagrams(measure: Measure) -> Result<f64, Box<dyn Error>> {
    let (a, b) = (
        UdpSocket::bind("127.0.0.1:0")?,
        UdpSocket::bind("127.0.0.1:0")?,
    );
    let address = b.local_addr()?;
    let mut buffer = [0; 64];
    measure(&mut |n| {
        for _ in 0..n {
            a.send_to(b"x", address)?;
            b.recv_from(&mut buffer)?;
        }
        Ok(())
    })
}

fn connections(measure: Measure) -> Result<f64, Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    measure(&mut |n| {
        for _ in 0..n {
            let client = TcpStream::connect(address)?;
            let (server, _) = listener.accept()?;
            drop(client);
            drop(server);
        }
        Ok(())
    })
}

fn messages(measure: Measure) -> Result<f64, Box<dyn Error>> {
    let (a, b) = UnixStream::pair()?;
    let mut buffer = [0; 64];
    measure(&mut |n| {
        for _ in 0..n {
            let parts = [IoSlice::new(b"x"), IoSlice::new(b"y")];
            sendmsg::<()>(a.as_raw_fd(), &parts, &[], MsgFlags::empty(), None)?;
            let mut target = [IoSliceMut::new(&mut buffer)];
            recvmsg::<()>(b.as_raw_fd(), &mut target, None, MsgFlags::empty())?;
        }
        Ok(())
    })
}

/// Rounds divided between two threads, each with a pair of its own.
fn two_threads(measure: Measure) -> Result<f64, Box<dyn Error>> {
    let pairs = [UnixStream::pair()?, UnixStream::pair()?];
    measure(&mut |n| {
        thread::scope(|scope| {
            for (a, b) in &pairs {
                scope.spawn(move || {
                    let mut buffer = [0; 64];
                    for _ in 0..n / 2 + 1 {
                        exchange(a, b, &mut buffer).expect("a pair that stays open");
                    }
                });
            }
        });
        Ok(())
    })
}

fn echo(measure: Measure) -> Result<f64, Box<dyn Error>> {
    let (mut client, mut server) = tcp_pair()?;
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok(n @ 1..) = server.read(&mut buffer) {
            if server.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
    });
    let mut buffer = [0; 64];
    measure(&mut |n| {
        for _ in 0..n {
            client.write_all(b"x")?;
            client.read_exact(&mut buffer[..1])?;
        }
        Ok(())
    })
}

fn tcp_pair() -> Result<(TcpStream, TcpStream), Box<dyn Error>> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    Ok((client, server))
}
