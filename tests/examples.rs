//! Runs every program of `examples/` and looks at what it prints.

#[path = "support/built.rs"]
mod built;
#[path = "support/process.rs"]
mod process;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

/// All of them end at once, or within a second or two.
const LIMIT: Duration = Duration::from_secs(60);

struct Example {
    /// Tells whether it is only built with the feature `threading`.
    threads: bool,
    output: &'static str,
}

fn examples() -> BTreeMap<&'static str, Example> {
    let alone = |output| Example {
        threads: false,
        output,
    };
    let threads = |output| Example {
        threads: true,
        output,
    };
    BTreeMap::from([
        (
            "per_connection",
            threads(
                "HELLO FROM CLIENT 0\n\
                 HELLO FROM CLIENT 1\n\
                 HELLO FROM CLIENT 2\n\
                 sockets left open: 0\n",
            ),
        ),
        (
            "resolver",
            alone(
                "db.internal is 127.0.0.1\n\
                 127.0.0.1 is db.internal\n\
                 www.internal: Name or service not known\n",
            ),
        ),
        (
            "sandbox",
            alone(
                "allowed: b'hello'\n\
                 denied: PermissionError: [Errno 13] \
                 connect to 127.0.0.1:22 is not allowed by any rule\n\
                 too much: OSError: [Errno 24] no more sockets: the host's limit is reached\n\
                 waits: KeyboardInterrupt: interrupted by the host\n\
                 loops: KeyboardInterrupt: interrupted by the host\n\
                 withheld: ModuleNotFoundError: No module named 'time'\n",
            ),
        ),
        ("smallest", alone("b'hello'\n")),
        (
            "tokio_host",
            threads("hello, client 0\nhello, client 1\nhello, client 2\nhello, client 3\n"),
        ),
        (
            "watchdog",
            alone("interrupted: SystemExit\nsockets left open: 0\nthe next: b'x'\n"),
        ),
    ])
}

/// The Rust programs of the folder; scripts are the interpreter's to test.
fn names() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let paths = fs::read_dir(folder).expect("the folder of the examples");
    let mut names: Vec<_> = paths
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|end| end == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Returns the folder of the examples, which is beside that of the tests.
fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let profile = test.ancestors().nth(2).expect("two folders");
    profile.join("examples").join(name)
}

/// Runs a program. Returns what it printed, if it ended well.
fn run(name: &str) -> Result<String, String> {
    let program = program(name);
    if built::is_stale(&program) {
        let program = program.display();
        return Err(format!("{program} is not built: `--test` leaves it out"));
    }
    let output = process::start(&mut Command::new(&program)).end_within("", LIMIT)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() && errors.is_empty() {
        Ok(printed)
    } else {
        Err(format!("{}\n{printed}{errors}", output.status))
    }
}

#[test]
fn all_are_tested() {
    let tested = examples();
    assert_eq!(names(), tested.keys().copied().collect::<Vec<_>>());
}

#[test]
fn all_do_what_they_say() {
    for (name, example) in examples() {
        if example.threads && !cfg!(feature = "threading") {
            continue;
        }
        assert_eq!(run(name), Ok(example.output.to_owned()), "{name}");
    }
}

/// An interpreter that is only dropped leaves a megabyte. The smallest ends with its process,
/// and the sandbox says why it does not finalize.
#[test]
fn all_finalize_their_interpreters() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for name in names() {
        let source = fs::read_to_string(folder.join(&name).with_extension("rs")).unwrap();
        let is_said = source.contains("finalize");
        assert!(is_said || name == "smallest", "{name}");
    }
}

/// README gives the number.
#[test]
fn the_smallest_is_small() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/smallest.rs");
    let lines = fs::read_to_string(source).unwrap().lines().count();
    assert_eq!(lines, 14);
}
