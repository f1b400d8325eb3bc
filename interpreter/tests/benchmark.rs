//! The benchmark runs: its driver, one row of each kind, and what it writes. Nothing is timed.

#[path = "../../tests/support/built.rs"]
mod built;
#[path = "../../tests/support/process.rs"]
mod process;

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_benchmark_runs() {
    let interpreter = env!("CARGO_BIN_EXE_interpreter");
    let examples = Path::new(interpreter).with_file_name("examples");
    for name in ["stock", "raw", "load"] {
        let program = examples.join(name);
        assert!(
            !built::is_stale(&program),
            "{} is not built: `--test` leaves it out",
            program.display()
        );
    }
    let out = tempfile::tempdir().unwrap();
    // The interpreter also runs the driver, so that the test needs no other Python.
    let mut command = Command::new(interpreter);
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/run.py"))
        .args(["--quick", "--no-build", "--programs"])
        .arg(format!(
            "interpreter={interpreter},stock={},raw={},load={}",
            examples.join("stock").display(),
            examples.join("raw").display(),
            examples.join("load").display(),
        ))
        .arg("--out")
        .arg(out.path())
        .args([
            "--rows",
            "getsockname",
            "accept in 2",
            "sendall: a MiB",
            "added",
        ]);
    let run = process::output_within(&mut command, process::LONG * 3);
    let text = String::from_utf8_lossy(&run.stdout);
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{text}\n{errors}");
    for title in [
        "getsockname",
        "accept in 2 threads",
        "sendall: a MiB",
        "time added",
    ] {
        assert!(text.contains(title), "{text}\n{errors}");
    }
    let json = fs::read_to_string(out.path().join("results.json")).unwrap();
    assert!(json.contains("\"getsockname\""), "{json}");
}
