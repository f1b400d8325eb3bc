//! Runs every file of `py_tests/` on the interpreter, and on CPython 3.13 where one is found:
//! a test that only one of the two passes says something about that one.
//!
//! `PYTHON313` names a CPython 3.13 to use. `PY_TESTS` is a part of the names of the files to
//! run, where not all are wanted. `PY_TESTS_JOBS` is how many run at a time.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::num::NonZero;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// For one file. Unoptimized on a busy machine, the slowest take some minutes.
const LIMIT: Duration = Duration::from_secs(900);

/// The outcome of a file on one program.
struct Outcome {
    passed: bool,
    /// The counts that unittest prints, or what happened instead.
    summary: String,
    output: String,
    took: Duration,
}

/// Progress appears while the test runs: unlike what `println!` writes, this is not captured.
macro_rules! say {
    ($($argument:tt)*) => {
        let _ = writeln!(io::stderr(), $($argument)*);
    };
}

#[test]
fn python_tests() {
    let interpreter = Path::new(env!("CARGO_BIN_EXE_interpreter"));
    let cpython = find_cpython();
    let files = test_files();
    assert!(!files.is_empty(), "no test files");

    let mut sides = vec![("interpreter", interpreter, cpython.as_deref())];
    match &cpython {
        Some(program) => {
            say!("CPython 3.13: {}", program.display());
            sides.push(("CPython", program, Some(interpreter)));
        }
        None => {
            say!("skipped: the Python tests on CPython 3.13: there is none");
        }
    }

    let mut jobs = Vec::new();
    for file in &files {
        for &(side, program, peer) in &sides {
            jobs.push((file, side, program, peer));
        }
    }
    // Taken from the end, so that the files start in their order.
    jobs.reverse();
    let jobs = Mutex::new(jobs);
    let next = || jobs.lock().expect("the list of jobs").pop();
    let outcomes = Mutex::new((Counts::default(), Vec::new()));
    thread::scope(|scope| {
        for _ in 0..side_by_side() {
            scope.spawn(|| {
                while let Some((file, side, program, peer)) = next() {
                    let name = file.file_name().unwrap_or_default().to_string_lossy();
                    let outcome = run(program, side, file, peer);
                    let seconds = outcome.took.as_secs_f32();
                    let mut outcomes = outcomes.lock().expect("the outcomes");
                    say!("{name:24} {side:12} {seconds:>6.1} s  {}", outcome.summary);
                    let reasons = outcome.output.lines();
                    for reason in reasons.filter(|line| line.starts_with("skipped: ")) {
                        say!("{reason} ({side})");
                    }
                    outcomes.0.add(&outcome);
                    if !outcome.passed {
                        say!("{}", outcome.output);
                        outcomes
                            .1
                            .push(format!("{name} on {side}: {}", outcome.summary));
                    }
                }
            });
        }
    });
    let (counts, failed) = outcomes.into_inner().expect("the outcomes");
    say!("{counts}");
    assert!(
        failed.is_empty(),
        "{} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

/// Returns how many files run at a time. Most of them wait most of the time.
fn side_by_side() -> usize {
    match env::var("PY_TESTS_JOBS") {
        Ok(number) => number.parse().expect("PY_TESTS_JOBS is a number"),
        Err(_) => thread::available_parallelism().map_or(1, NonZero::get) + 1,
    }
}

/// Counts the tests of all files on all programs.
#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Counts {
    /// Adds the numbers of a summary such as `31 tests, FAILED (errors=1, skipped=1)`.
    fn add(&mut self, outcome: &Outcome) {
        let parts = outcome.summary.rsplit_once('(').unwrap_or_default().1;
        let number = |name: &str| {
            let mut parts = parts.trim_end_matches(')').split(", ");
            parts.find_map(|part| part.strip_prefix(name)?.parse::<u64>().ok())
        };
        let skipped = number("skipped=").unwrap_or(0);
        let named = number("failures=").unwrap_or(0) + number("errors=").unwrap_or(0);
        // A file that ends without a report has failed as a whole.
        let failed = named.max(u64::from(!outcome.passed));
        let ran = outcome.summary.split(" tests, ").next();
        let ran = ran.and_then(|text| text.parse().ok()).unwrap_or(failed);
        self.passed += u64::saturating_sub(ran, failed + skipped);
        self.failed += failed;
        self.skipped += skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

fn test_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../py_tests");
    let wanted = env::var("PY_TESTS").unwrap_or_default();
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder of the Python tests")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("test_") && name.ends_with(".py") && name.contains(&wanted)
        })
        .collect();
    files.sort();
    files
}

/// Runs a file in a process of its own, in a new folder, which stays if it fails.
fn run(program: &Path, side: &str, file: &Path, peer: Option<&Path>) -> Outcome {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let folder = tempfile::Builder::new()
        .prefix(&format!("{name}-{side}-"))
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a folder to run in");
    let log = folder.path().join("output");
    let output = File::create(&log).expect("a file for the output");
    let mut command = Command::new(program);
    command
        .arg(file)
        .current_dir(folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("PEER_PYTHON")
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("the file once more"))
        .stderr(output)
        .process_group(0);
    if let Some(peer) = peer {
        command.env("PEER_PYTHON", peer);
    }
    let started = Instant::now();
    let mut child = command.spawn().expect("the program starts");
    let status = loop {
        if let Some(status) = child.try_wait().expect("the program's status") {
            break Some(status);
        }
        if started.elapsed() > LIMIT {
            // With what it has started, which would keep running.
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            let _ = child.wait();
            break None;
        }
        thread::sleep(Duration::from_millis(20));
    };
    let mut output = String::from_utf8_lossy(&fs::read(&log).expect("the output")).into_owned();
    let summary = match status {
        None => format!("no end after {} s", LIMIT.as_secs()),
        Some(status) => match (counts(&output), status.code(), status.signal()) {
            (Some(counts), ..) => counts,
            (None, Some(code), _) => format!("exit status {code}"),
            (None, None, signal) => format!("signal {}", signal.unwrap_or_default()),
        },
    };
    // A file without a single test has not shown anything.
    let passed = status.is_some_and(|status| status.success())
        && counts(&output).is_some_and(|counts| !counts.starts_with("0 "));
    if !passed {
        output += &format!("\nits folder: {}", folder.keep().display());
    }
    Outcome {
        passed,
        summary,
        output,
        took: started.elapsed(),
    }
}

/// `31 tests, OK (skipped=1)`, from the end of unittest's report.
fn counts(output: &str) -> Option<String> {
    let mut lines = output.lines().rev();
    let verdict = lines.find(|line| line.starts_with("OK") || line.starts_with("FAILED"))?;
    let ran = lines.find(|line| line.starts_with("Ran "))?;
    let number = ran.split(' ').nth(1)?;
    Some(format!("{number} tests, {verdict}"))
}

/// The CPython 3.13 that `PYTHON313` names, or else one on the path or of pyenv's.
fn find_cpython() -> Option<PathBuf> {
    if let Some(named) = env::var_os("PYTHON313") {
        assert!(
            is_cpython_3_13(&named),
            "PYTHON313={} is no CPython 3.13",
            named.display()
        );
        return Some(named.into());
    }
    let mut candidates = vec![OsString::from("python3.13")];
    let home = env::var_os("HOME").unwrap_or_default();
    let versions = fs::read_dir(Path::new(&home).join(".pyenv/versions"));
    for version in versions.into_iter().flatten().flatten() {
        if version.file_name().to_string_lossy().starts_with("3.13") {
            candidates.push(version.path().join("bin/python3").into());
        }
    }
    let found = candidates
        .into_iter()
        .find(|candidate| is_cpython_3_13(candidate))?;
    // The program itself, not a launcher that looks for it each time.
    let real = ask(&found, "import sys; print(sys.executable)")?;
    Some(real.into())
}

fn is_cpython_3_13(program: &OsStr) -> bool {
    let question = "import sys; print(sys.implementation.name, *sys.version_info[:2])";
    ask(program, question).as_deref() == Some("cpython 3 13")
}

fn ask(program: &OsStr, question: &str) -> Option<String> {
    let answer = Command::new(program)
        .args(["-c", question])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    answer.status.success().then(|| text.trim().to_owned())
}
