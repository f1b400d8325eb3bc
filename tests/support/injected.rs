//! Programs in which a system call fails now and then (strace(1)).
#![allow(dead_code, reason = "each test program uses a part of it")]

use super::process::start;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// Processes at a time: most of the time each waits.
const SIDE_BY_SIDE: usize = 3;

/// Runs the program that `command` makes for a call and an error's number, with each of
/// `errors` in each of `calls`. `moments` are strace's `when`: the first of a thread's calls that fails,
/// and each how many after that. Each process must succeed. If `is_whole` is false, every
/// second pair of a call and an error is left out, and all moments but the first.
#[track_caller]
pub fn run(
    calls: &[&str],
    errors: &[(&str, i32)],
    moments: &[&str],
    is_whole: bool,
    command: impl Fn(&str, i32) -> Command + Sync,
) {
    let moments = &moments[..if is_whole { moments.len() } else { 1 }];
    let mut jobs = Vec::new();
    for (i, call) in calls.iter().enumerate() {
        for (j, (error, errno)) in errors.iter().enumerate() {
            if is_whole || (i + j) % 2 == 0 {
                jobs.extend(moments.iter().map(|moment| {
                    let inject = format!("inject={call}:error={error}:when={moment}");
                    (*call, inject, *errno)
                }));
            }
        }
    }
    let jobs = Mutex::new(jobs);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().unwrap().pop();
                    let Some((call, inject, errno)) = job else {
                        return;
                    };
                    if let Err(text) = run_one(call, &inject, &command(call, errno)) {
                        failed.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Runs one program under strace. The error says how it failed.
fn run_one(call: &str, inject: &str, program: &Command) -> Result<(), String> {
    let started = Instant::now();
    let mut command = Command::new("strace");
    command
        .args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", inject])
        .arg(program.get_program())
        .args(program.get_args());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let result = start(&mut command).end_within("", Duration::from_secs(60));
    let status = result.as_ref().ok().map(|output| output.status);
    println!("{inject}: {status:?} after {:?}", started.elapsed());
    let text = match result {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(text) => text,
    };
    let text: Vec<_> = text.lines().filter(|line| !line.contains(" at ")).collect();
    let text = text.into_iter().take(12).collect::<Vec<_>>().join("\n");
    Err(format!("{inject}: {status:?}\n{text}"))
}
