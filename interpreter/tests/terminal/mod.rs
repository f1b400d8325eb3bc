//! A terminal for tests: what is typed and what is shown.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::num::NonZero;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::libc::O_NOCTTY;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};

/// The time that anything may take on a machine that is busy with other things.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The size of the terminal.
const COLUMNS: NonZero<u16> = NonZero::new(100).unwrap();
const LINES: NonZero<u16> = NonZero::new(40).unwrap();

/// A program in the foreground of a terminal of its own.
pub struct Terminal {
    master: PtyMaster,
    child: Child,
    /// All that the program has shown.
    shown: String,
    /// Up to where a test has looked at it.
    seen: usize,
    /// Returns the text that a person would see now.
    screen: vt100::Parser,
}

impl Terminal {
    /// Starts a program with arguments and variables.
    pub fn open(program: &[&str], variables: &[(&str, &str)]) -> Self {
        // Close-on-exec: no other test's program may keep this terminal open.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(O_NOCTTY)
            .open(ptsname_r(&master).unwrap())
            .unwrap();
        // `setsid` makes the terminal the one whose Ctrl-C the program gets.
        let mut command = Command::new("setsid");
        command.arg("--ctty").args(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PYTHON") {
                command.env_remove(name);
            }
        }
        let child = command
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .env("COLUMNS", COLUMNS.to_string())
            .env("LINES", LINES.to_string())
            .envs(variables.iter().copied())
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        Self {
            master,
            child,
            shown: String::new(),
            seen: 0,
            screen: vt100::Parser::new(LINES, COLUMNS, 0),
        }
    }

    /// Types a text; `\r` is the Enter key.
    pub fn types(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Types a line.
    pub fn enters(&mut self, line: &str) {
        self.types(&format!("{line}\r"));
    }

    /// Holds Ctrl and presses a key.
    pub fn control(&mut self, key: char) {
        self.types(&char::from(key.to_ascii_uppercase() as u8 - b'@').to_string());
    }

    /// Presses Ctrl-C as soon as the program waits for something.
    pub fn interrupts_its_wait(&mut self) {
        let deadline = Instant::now() + LIMIT;
        // Twice, as it may have waited for something else for a moment.
        let mut sleeps = 0;
        while sleeps < 2 {
            assert!(Instant::now() < deadline, "never waits: {}", self.shown);
            sleeps = if self.is_asleep() { sleeps + 1 } else { 0 };
            thread::sleep(Duration::from_millis(20));
        }
        self.control('c');
    }

    fn is_asleep(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let state = stat.rsplit(')').next().unwrap().trim_start();
        state.starts_with('S')
    }

    /// Waits until a text is shown, after all that was waited for before.
    #[track_caller]
    pub fn shows(&mut self, text: &str) {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(found) = self.shown[self.seen..].find(text) {
                self.seen += found + text.len();
                return;
            }
            assert!(
                self.reads_until(deadline),
                "no {text:?} after byte {} of {:?}",
                self.seen,
                self.shown
            );
        }
    }

    /// Waits for the end of the program; everything shown since what was waited
    /// for last.
    #[track_caller]
    pub fn ends(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + LIMIT;
        while self.reads_until(deadline) {}
        assert!(Instant::now() < deadline, "does not end: {:?}", self.shown);
        let status = self.child.wait().unwrap();
        (status, self.shown[self.seen..].to_owned())
    }

    /// Waits for more to be shown; false if there is nothing for that long.
    pub fn shows_more(&mut self, limit: Duration) -> bool {
        self.reads_until(Instant::now() + limit)
    }

    /// Returns the text that a person would see now.
    pub fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    /// Reads what there is to read; false at the end, or when time is over.
    fn reads_until(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut ready = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, timeout).unwrap() == 0 {
            return false;
        }
        let mut buffer = [0; 4096];
        match self.master.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.screen.process(&buffer[..length]);
                self.shown += &String::from_utf8_lossy(&buffer[..length]);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            // What Linux says when the last program has gone.
            Err(_) => false,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A script on disk.
pub fn script(directory: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = directory.path().join(name);
    File::create(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .unwrap();
    path.to_str().unwrap().to_owned()
}
