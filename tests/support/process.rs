//! Child processes that a test waits for, but not for ever, and whether strace(1) can trace
//! them. The tests of `interpreter/` include this file, too.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A time that only a hang outlasts.
pub const LONG: Duration = Duration::from_secs(120);

/// Runs a command to its end, with nothing on standard input, and returns what it printed. If it
/// takes longer than `limit`, kills it with all that it has started, and fails the test.
#[track_caller]
pub fn output_within(command: &mut Command, limit: Duration) -> Output {
    match start(command).end_within("", limit) {
        Ok(output) => output,
        Err(text) => panic!("{command:?}: {text}"),
    }
}

/// Starts a command in a process group of its own.
pub fn start(command: &mut Command) -> Started {
    let child = command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    Started::from(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// A process whose output is read while it runs. If the test ends before it, it is killed with
/// its process group.
pub struct Started {
    child: Child,
    out: Collected,
    err: Collected,
}

impl From<Child> for Started {
    /// Reads those outputs that are pipes.
    fn from(mut child: Child) -> Self {
        Self {
            out: Collected::of(child.stdout.take()),
            err: Collected::of(child.stderr.take()),
            child,
        }
    }
}

impl Started {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns what it has printed on standard output so far.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&self.out.bytes.lock().unwrap()).into_owned()
    }

    /// Gives it `input` and waits for its end. The error says how far it came within `limit`.
    pub fn end_within(mut self, input: &str, limit: Duration) -> Result<Output, String> {
        let deadline = Instant::now() + limit;
        if let Some(mut stdin) = self.child.stdin.take() {
            let input = input.to_owned();
            // A program that does not read its input may be gone by now, or never take it.
            thread::spawn(move || stdin.write_all(input.as_bytes()));
        }
        while !self.out.is_whole() || !self.err.is_whole() || self.status().is_none() {
            if Instant::now() > deadline {
                self.kill();
                let out = String::from_utf8_lossy(&self.out.take()).into_owned();
                let err = String::from_utf8_lossy(&self.err.take()).into_owned();
                return Err(format!("no end within {limit:?}\n{out}\n{err}"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(Output {
            status: self.status().unwrap(),
            stdout: self.out.take(),
            stderr: self.err.take(),
        })
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Kills the process group, of which some may outlive the process itself.
    fn kill(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if self.status().is_none() {
            self.kill();
        }
    }
}

/// The bytes of a pipe, which a thread reads to its end.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Collected {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let room = bytes.clone();
        let reader = pipe.map(|mut pipe| {
            thread::spawn(move || {
                let mut part = [0; 1 << 12];
                while let Ok(read @ 1..) = pipe.read(&mut part) {
                    room.lock().unwrap().extend_from_slice(&part[..read]);
                }
            })
        });
        Self { bytes, reader }
    }

    fn is_whole(&self) -> bool {
        self.reader
            .as_ref()
            .is_none_or(|reader| reader.is_finished())
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.bytes.lock().unwrap())
    }
}

/// Says that a test, or a part of it, was not run, and why. Unlike what `println!` writes,
/// this is not captured: scripts/gate.py shows and counts it.
pub fn skip(what: &str, why: &str) {
    let _ = std::io::stderr().write_all(format!("\nskipped: {what}: {why}\n").as_bytes());
}

/// Tells whether strace(1) can trace here, and says that `what` is skipped if it cannot.
pub fn can_trace(what: &str) -> bool {
    let works = Command::new("strace")
        .args(["-f", "--seccomp-bpf", "-o", "/dev/null"])
        .args(["-e", "trace=connect", "true"])
        .stderr(Stdio::null())
        .status();
    let works = works.is_ok_and(|status| status.success());
    if !works {
        skip(what, "strace is not installed, or not allowed to trace");
    }
    works
}
