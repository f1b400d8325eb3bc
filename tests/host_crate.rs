//! A host outside the workspace, without a lock file, builds and runs.
//!
//! What it resolves to is up to the registry on the day: this is the test that
//! notices when a new release of a dependency breaks the hosts.

use std::fs;
use std::path::Path;
use std::process::Command;

const MANIFEST: &str = r#"
[package]
name = "host"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
rustpython-socket = { path = "LIBRARY" }
rustpython-vm = { version = "0.6.0", default-features = false, features = ["compiler", "gc"] }

# As in the workspace: what both resolve to the same is built only once.
[profile.release]
debug = "line-tables-only"
"#;

const PROGRAM: &str = r#"
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

#[test]
fn a_host_without_a_lock_file() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("host");
    fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = MANIFEST.replace("LIBRARY", env!("CARGO_MANIFEST_DIR"));
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/main.rs"), PROGRAM).unwrap();
    // Left by an earlier run; what was built then may be used again.
    let _ = fs::remove_file(folder.join("Cargo.lock"));
    let output = Command::new(env!("CARGO"))
        .args(["run", "--release", "--quiet", "--ignore-rust-version"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("../.."))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "from a host\n");
}
