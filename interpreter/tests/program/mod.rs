//! A run of a program, and what it left behind.
#![allow(dead_code, reason = "each test program uses a part of it")]

#[path = "../../../tests/support/process.rs"]
pub mod process;

use std::process::{Command, ExitStatus, Output};

use process::{LONG, Started};

/// Status and output of a program that has ended.
pub struct Run {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Run {
    /// Runs a command with `input` on standard input.
    #[track_caller]
    pub fn of(command: &mut Command, input: &str) -> Self {
        Self::end_of(process::start(command), input)
    }

    /// Waits for the end of a program that runs already.
    #[track_caller]
    pub fn end_of(started: Started, input: &str) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = match started.end_within(input, LONG) {
            Ok(output) => output,
            Err(text) => panic!("{text}"),
        };
        Self {
            status,
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Asserts the status and all that was printed on standard output.
    #[track_caller]
    pub fn gives(&self, status: i32, out: &str) -> &Self {
        assert_eq!(self.out, out, "standard error: {}", self.err);
        assert_eq!(self.status.code(), Some(status), "{}", self.err);
        self
    }

    /// Asserts that standard error is nothing but this.
    #[track_caller]
    pub fn says(&self, err: &str) -> &Self {
        assert_eq!(self.err, err);
        self
    }

    /// Asserts that standard error has this in it.
    #[track_caller]
    pub fn mentions(&self, text: &str) -> &Self {
        assert!(self.err.contains(text), "no {text:?} in {:?}", self.err);
        self
    }
}
