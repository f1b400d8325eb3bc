//! Hosts outside the workspace, without a lock file, build and run.
//!
//! What they resolve to is up to the registry on the day: these are the tests that
//! notice when a new release of a dependency breaks the hosts.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LEAN: &str = r#"
[package]
name = "host"
version = "0.1.0"
edition = "2024"

[dependencies]
rustpython-socket = "0.1"
rustpython-vm = { version = "=0.6.0", default-features = false, features = ["compiler", "gc"] }

# Only for debug builds on Rust 1.95.
[profile.dev.package.rustpython-ruff_python_parser]
debug-assertions = false
"#;

const LEAN_MAIN: &str = r#"
use rustpython_socket::SocketModule;
use rustpython_vm::Interpreter;

const SCRIPT: &str = "
import socket
a, b = socket.socketpair()
a.sendall(b'from a host')
received = b.recv(100).decode()
";

fn main() {
    let builder = Interpreter::builder(Default::default());
    SocketModule::new().register(builder).build().enter(|vm| {
        let scope = vm.new_scope_with_builtins();
        vm.run_string(scope.clone(), SCRIPT, "<script>").unwrap();
        let received = scope.globals.get_item("received", vm).unwrap();
        println!("{}", received.str(vm).unwrap());
    });
}
"#;

/// The manifest that README and the crate's documentation show.
const FULL: &str = r#"
[package]
name = "host"
version = "0.1.0"
edition = "2024"

[dependencies]
rustpython = { version = "=0.6.0", default-features = false, features = ["threading", "stdlib", "stdio", "importlib", "host_env", "freeze-stdlib", "ssl-rustls-aws-lc"] }
rustpython-socket = "0.1"
rustpython-vm = "=0.6.0"
"#;

/// The program that README and the crate's documentation show.
const FULL_MAIN: &str = r#"
use rustpython::{InterpreterBuilder, InterpreterBuilderExt};
use rustpython_socket::SocketModule;

fn main() {
    let builder = InterpreterBuilder::new().init_stdlib();
    let interpreter = SocketModule::new().register(builder).build();
    let script = "import math, socket, ssl; print(math.comb(5, 2), ssl.SSLSocket.__base__ is socket.socket)";
    let status = interpreter.run(|vm| {
        let scope = vm.new_scope_with_builtins();
        vm.run_string(scope, script, "<script>").map(drop)
    });
    std::process::exit(status as i32);
}
"#;

/// Script of such a host that prints a context, or why there is none.
const TLS: &str = "
for _ in range(2):
    try:
        import ssl
        said = type(ssl.create_default_context()).__name__
    except ImportError as error:
        said = error.name + ' ' + str(error)
print(said)
";

/// Command that README tells such a host to run once, before its first build.
const UPDATE: &str = "cargo update malachite-bigint@0.14 --precise 0.12.0";

/// A time that only a hang of Cargo outlasts: the longest build takes five minutes.
const BUILD: Duration = Duration::from_secs(40 * 60);

/// A package beside the workspace's build, and nothing resolved.
fn package(name: &str, manifest: &str, main: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(folder.join("src")).unwrap();
    let library = format!(r#"{{ path = "{}" }}"#, env!("CARGO_MANIFEST_DIR"));
    // A workspace of its own, but the profile of ours: what both resolve to the same is
    // built only once.
    let manifest = manifest.replace(r#""0.1""#, &library)
        + "\n[workspace]\n\n[profile.release]\ncodegen-units = 4\n";
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/main.rs"), main).unwrap();
    // Left by an earlier run; what was built then may be used again.
    let _ = fs::remove_file(folder.join("Cargo.lock"));
    folder
}

/// Runs Cargo in a package. Returns its standard output.
///
/// With the compiler beside Cargo: rustup's would obey a `rust-toolchain.toml` that a
/// dependency brings along.
#[track_caller]
fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let cargo = Path::new(env!("CARGO"));
    let mut command = Command::new(cargo);
    command
        .env("RUSTC", cargo.with_file_name("rustc"))
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("../.."));
    let output = support::output_within(&mut command, BUILD);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A host with the standard library, resolved as README says. Each test needs a `name` of its
/// own, because they run at the same time.
fn resolved(name: &str, manifest: &str, main: &str) -> PathBuf {
    let folder = package(name, manifest, main);
    cargo(&folder, &["generate-lockfile", "--ignore-rust-version"]);
    let update: Vec<_> = UPDATE.split(' ').skip(1).collect();
    cargo(&folder, &update);
    folder
}

#[test]
fn a_host_without_a_lock_file() {
    let folder = package("host", LEAN, LEAN_MAIN);
    let run = ["run", "--release", "--quiet", "--ignore-rust-version"];
    assert_eq!(cargo(&folder, &run), "from a host\n");
}

#[test]
#[ignore = "takes minutes: `bash scripts/test --thorough` runs it"]
fn a_host_without_a_lock_file_builds_for_debugging() {
    let folder = package("debug_host", LEAN, LEAN_MAIN);
    let run = ["run", "--quiet", "--ignore-rust-version"];
    assert_eq!(cargo(&folder, &run), "from a host\n");
}

/// Two versions of its big integers would not compile.
#[test]
fn a_host_with_the_standard_library_has_one_kind_of_integer() {
    let folder = resolved("integer_host", FULL, FULL_MAIN);
    let lock = fs::read_to_string(folder.join("Cargo.lock")).unwrap();
    let found = lock.matches("name = \"malachite-bigint\"").count();
    assert_eq!(found, 1, "{UPDATE} is not enough");
}

#[test]
#[ignore = "takes minutes: `bash scripts/test --thorough` runs it"]
fn a_host_with_the_standard_library_runs() {
    let run = ["run", "--release", "--quiet", "--ignore-rust-version"];
    let folder = resolved("full_host", FULL, FULL_MAIN);
    assert_eq!(cargo(&folder, &run), "10 True\n");
}

/// Returns what [`TLS`] prints in a host with a feature of RustPython's, which is built in its
/// place.
fn tls(feature: &str) -> String {
    // A name of its own: what it builds lies beside the others.
    let name = format!("tls_{feature}");
    let manifest = FULL.replace("ssl-rustls-aws-lc", feature);
    let manifest = manifest.replace("\"host\"", &format!("\"{name}\""));
    let main = FULL_MAIN.replace("vm.run_string(scope, script,", "vm.run_string(scope, TLS,");
    let main = main.replace("    let script = ", "    let _ = ")
        + &format!("const TLS: &str = {TLS:?};\n");
    let folder = resolved(&name, &manifest, &main);
    let run = ["run", "--release", "--quiet", "--ignore-rust-version"];
    cargo(&folder, &run)
}

#[test]
#[ignore = "takes minutes: `bash scripts/test --thorough` runs it"]
fn tls_works_with_the_feature_that_is_documented() {
    assert_eq!(tls("ssl-rustls-aws-lc"), "SSLContext\n");
}

#[test]
#[ignore = "takes minutes: `bash scripts/test --thorough` runs it"]
fn tls_without_cryptography_is_an_import_error() {
    let said = tls("ssl-rustls");
    assert!(
        said.starts_with("_ssl the TLS library did not start: "),
        "{said}"
    );
    assert!(
        said.ends_with("(TLS needs RustPython's feature ssl-rustls-aws-lc)\n"),
        "{said}"
    );
}

#[test]
#[ignore = "takes minutes: `bash scripts/test --thorough` runs it"]
fn tls_by_openssl_is_an_import_error() {
    let found = Command::new("pkg-config")
        .args(["--exists", "openssl"])
        .status();
    if !found.is_ok_and(|found| found.success()) {
        let why = "pkg-config finds no OpenSSL to build with";
        return support::skip("tls_by_openssl_is_an_import_error", why);
    }
    let said = tls("ssl-openssl");
    assert!(said.starts_with("_ssl OpenSSL "), "{said}");
    assert!(
        said.ends_with("(TLS needs RustPython's feature ssl-rustls-aws-lc)\n"),
        "{said}"
    );
}

/// README and the crate's documentation show the host that is tested here.
#[test]
fn a_host_with_the_standard_library_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in ["README.md", "src/lib.rs"] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let lines: Vec<_> = text
            .lines()
            .map(|line| line.trim_start_matches("//!").trim())
            .collect();
        let shown = [FULL, FULL_MAIN, UPDATE].map(str::trim).join("\n");
        for line in shown.lines().map(str::trim) {
            assert!(lines.contains(&line), "{document} lacks this line: {line}");
        }
    }
}
