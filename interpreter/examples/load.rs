//! The benchmark's load generator, the same for every server.
//!
//!     load KIND PORT SECONDS
//!
//! Prints the seconds that one request, exchange or connection took.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Clients that connect anew for each request.
const CLIENTS: usize = 8;
/// Connections that only stay open, and those that exchange.
const IDLE: usize = 1000;
const BUSY: usize = 100;
/// Lines sent on a connection of `threads`.
const LINES: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, port, time] = &arguments[..] else {
        return Err("usage: load http|threads|echo|accept PORT SECONDS".into());
    };
    let port = port.parse()?;
    let time = Duration::from_secs_f64(time.parse()?);
    let took = match kind.as_str() {
        "http" => clients(port, time, request)?,
        "threads" => clients(port, time, conversation)?,
        "accept" => clients(port, time, connection)?,
        "echo" => exchanges(port, time)?,
        _ => return Err(format!("no such load: {kind}").into()),
    };
    println!("{took:e}");
    Ok(())
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    // A server that stops answering fails the run instead of hanging it.
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// A whole request and its whole answer.
fn request(port: u16) -> io::Result<()> {
    let mut stream = connect(port)?;
    stream.write_all(b"GET /page.html HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n")?;
    let mut answer = Vec::with_capacity(8192);
    stream.read_to_end(&mut answer)?;
    if !answer.starts_with(b"HTTP/1.0 200") || answer.len() < 4096 {
        return Err(io::Error::other("not the page"));
    }
    Ok(())
}

/// Some lines, each returned before the next is sent.
fn conversation(port: u16) -> io::Result<()> {
    let mut stream = BufReader::new(connect(port)?);
    let mut line = String::new();
    for _ in 0..LINES {
        stream
            .get_mut()
            .write_all(b"a line of twenty-six bytes\n")?;
        line.clear();
        if stream.read_line(&mut line)? != 27 {
            return Err(io::Error::other("not the line"));
        }
    }
    Ok(())
}

/// A connection that the server closes at once.
fn connection(port: u16) -> io::Result<()> {
    match connect(port)?.read(&mut [0; 1])? {
        0 => Ok(()),
        _ => Err(io::Error::other("not closed")),
    }
}

/// Seconds for each of what some clients do at once, again and again.
fn clients(port: u16, time: Duration, act: fn(u16) -> io::Result<()>) -> io::Result<f64> {
    act(port)?; // The server has imported all it needs.
    let start = Instant::now();
    let counts: Vec<io::Result<u64>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while start.elapsed() < time {
                        act(port)?;
                        count += 1;
                    }
                    Ok(count)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a client does not panic"))
            .collect()
    });
    let took = start.elapsed().as_secs_f64();
    let total = counts.into_iter().sum::<io::Result<u64>>()?;
    Ok(took / total as f64)
}

/// Seconds for one exchange, of many connections at once beside more that are idle.
fn exchanges(port: u16, time: Duration) -> Result<f64, Box<dyn Error>> {
    let idle: Vec<TcpStream> = (0..IDLE).map(|_| connect(port)).collect::<Result<_, _>>()?;
    let ready = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut busy: HashMap<RawFd, TcpStream> = HashMap::new();
    for _ in 0..BUSY {
        let mut stream = connect(port)?;
        // Accepted, after all the idle ones, before the clock starts.
        exchange(&mut stream)?;
        let key = stream.as_raw_fd();
        ready.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, key as u64))?;
        busy.insert(key, stream);
    }
    let start = Instant::now();
    for stream in busy.values_mut() {
        stream.write_all(&MESSAGE)?;
    }
    let mut count = 0_u64;
    let mut events = [EpollEvent::empty(); BUSY];
    while start.elapsed() < time {
        let n = ready.wait(
            &mut events,
            EpollTimeout::try_from(Duration::from_secs(30))?,
        )?;
        if n == 0 {
            return Err("the server stopped answering".into());
        }
        for event in &events[..n] {
            let stream = busy
                .get_mut(&(event.data() as RawFd))
                .ok_or("an event of no connection")?;
            stream.read_exact(&mut [0; MESSAGE.len()])?;
            stream.write_all(&MESSAGE)?;
            count += 1;
        }
    }
    let took = start.elapsed().as_secs_f64();
    drop(idle);
    Ok(took / count as f64)
}

const MESSAGE: [u8; 64] = [b'x'; 64];

fn exchange(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(&MESSAGE)?;
    stream.read_exact(&mut [0; MESSAGE.len()])
}
