//! The `socket` module for Rust programs that embed RustPython: the documented
//! Python API, native, on any VM, under the control of its host.
//!
//! # A tour
//!
//! A host adds the module to an interpreter, and its scripts can
//! `import socket`. That works on a VM without a standard library, where the
//! module is a script's only door to the outside:
//!
//! ```
//! use rustpython_socket::SocketModule;
//! use rustpython_vm::Interpreter;
//!
//! let builder = Interpreter::builder(Default::default());
//! let interpreter = SocketModule::new().register(builder).build();
//! interpreter.enter(|vm| {
//!     let scope = vm.new_scope_with_builtins();
//!     let script = "
//! import socket
//! a, b = socket.socketpair()
//! a.sendall(b'hello')
//! assert b.recv(5) == b'hello'
//! ";
//!     vm.run_string(scope, script, "<script>").unwrap();
//! });
//! ```
//!
//! Such a VM has no `sys.stdout`: `print` fails there, and scripts hand results
//! over as values.
//!
//! **What scripts may reach** is a [`Policy`]; [`Rules`] are one that serves
//! nearly every host, and [`Rule`] tells how they are written. What they refuse
//! raises PermissionError, which names the operation, the target and the rule:
//!
//! ```
//! use rustpython_socket::{Rules, SocketModule};
//! # use rustpython_vm::Interpreter;
//!
//! let rules = Rules::deny_all()
//!     .allow("*.example.com:443")?
//!     .allow("bind=127.0.0.1:8000-8999")?;
//! let module = SocketModule::new().policy(rules);
//! # let interpreter = module.register(Interpreter::builder(Default::default())).build();
//! # interpreter.enter(|vm| {
//! #     let scope = vm.new_scope_with_builtins();
//! #     let script = "
//! # import socket
//! # try:
//! #     socket.socket().connect(('127.0.0.1', 22))
//! # except PermissionError:
//! #     pass
//! # else:
//! #     raise AssertionError
//! # ";
//! #     vm.run_string(scope, script, "<script>").unwrap();
//! # });
//! # Ok::<(), rustpython_socket::RuleError>(())
//! ```
//!
//! **What they may use up** is limited where [`SocketModule`] is configured:
//! open sockets, bytes, connections a second, and how long a call may wait.
//!
//! **To stop a script**, a host keeps a [`Handle`]. From any thread it ends the
//! calls that wait, at once or at a deadline, and closes what is open:
//!
//! ```
//! use rustpython_socket::SocketModule;
//! use rustpython_vm::{AsObject, Interpreter};
//! use std::time::{Duration, Instant};
//!
//! let module = SocketModule::new();
//! let handle = module.handle();
//! let interpreter = module.register(Interpreter::builder(Default::default())).build();
//! handle.set_deadline(Some(Instant::now() + Duration::from_millis(50)));
//! interpreter.enter(|vm| {
//!     let scope = vm.new_scope_with_builtins();
//!     let script = "import socket; a, b = socket.socketpair(); a.recv(1)";
//!     let exception = vm.run_string(scope, script, "<script>").unwrap_err();
//!     assert!(exception.fast_isinstance(vm.ctx.exceptions.keyboard_interrupt));
//! });
//! ```
//!
//! **What they do** shows in [`Handle::counters`], [`Handle::sockets`], and
//! [`Event`] by event in [`SocketModule::on_event`].
//!
//! **Sockets change hands** with [`handoff`]: a `TcpStream` that the host
//! accepted becomes a script's socket, and a script's socket becomes an
//! `OwnedFd`.
//!
//! **Names** come from the system, or from a [`Resolver`] of the host's.
//!
//! **TLS** works over these sockets, in force with all of the above, where the
//! interpreter has a TLS library: `ssl` of the standard library with the `_ssl`
//! that RustPython's feature `ssl-rustls-aws-lc` adds. With `ssl-rustls` alone `import
//! ssl` raises ImportError, unless the host has set a provider of cryptography before;
//! with `ssl-openssl` it always does, since that `_ssl` takes no sockets but RustPython's
//! own.
//!
//! # With the standard library
//!
//! The whole `Cargo.toml` of a host whose scripts have RustPython's standard
//! library:
//!
//! ```toml
//! [package]
//! name = "host"
//! version = "0.1.0"
//! edition = "2024"
//!
//! [dependencies]
//! rustpython = { version = "=0.6.0", default-features = false, features = ["threading", "stdlib", "stdio", "importlib", "host_env", "freeze-stdlib", "ssl-rustls-aws-lc"] }
//! rustpython-socket = "0.1"
//! rustpython-vm = "=0.6.0"
//! ```
//!
//! Its `src/main.rs`:
//!
//! ```ignore
//! use rustpython::{InterpreterBuilder, InterpreterBuilderExt};
//! use rustpython_socket::SocketModule;
//!
//! fn main() {
//!     let builder = InterpreterBuilder::new().init_stdlib();
//!     let interpreter = SocketModule::new().register(builder).build();
//!     let script = "import math, socket, ssl; print(math.comb(5, 2), ssl.SSLSocket.__base__ is socket.socket)";
//!     let status = interpreter.run(|vm| {
//!         let scope = vm.new_scope_with_builtins();
//!         vm.run_string(scope, script, "<script>").map(drop)
//!     });
//!     std::process::exit(status as i32);
//! }
//! ```
//!
//! Before the first build its big integers have to be of one version. The crate
//! `pymath` accepts each, so that Cargo gives it the newest unless told otherwise:
//!
//! ```text
//! cargo update malachite-bigint@0.14 --precise 0.12.0
//! ```
//!
//! # Untrusted scripts
//!
//! The policy guards this module. It cannot guard what else the interpreter
//! has: with a full standard library, `os` and `ctypes` reach the system by
//! other ways. For scripts that are not trusted, take a VM without `host_env`
//! and without a standard library, in a process of its own: a script can bring
//! the VM down with the process, by endless recursion for one.
//!
//! # Features
//!
//! All are on by default:
//!
//! - `rules`: [`Rules`], [`Rule`] and [`AuditOnly`]. A host with a [`Policy`] of its own, or
//!   without any, does without.
//! - `ssl`: TLS over these sockets. A host whose interpreters have no `_ssl` does without.
//! - `threading` lets the interpreter's other threads run while a call waits; it needs the
//!   VM's feature of that name, and turns it on.
//!
//! # Versions
//!
//! The VM has no stable interface, so that a version of this crate works with one version of
//! `rustpython-vm`, which [`rustpython_vm`] re-exports: a host that has no other use for it
//! need not name it in its own `Cargo.toml`. A new minor version of the VM (0.6 to 0.7) makes
//! a new minor version of this crate. In between, the public interface only grows: enums,
//! their variants and the structs with public fields are `#[non_exhaustive]`, so that a
//! `match` needs a `_` arm and a pattern a `..`, and traits get no method without a default.
//! What grows with a minor version is the least Rust version (`rust-version` in
//! `Cargo.toml`), too.
#![deny(unsafe_code)]
#![warn(missing_debug_implementations, missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod bridge;
mod constants;
mod embed;
#[cfg(all(feature = "rules", any(test, fuzzing)))]
#[doc(hidden)]
pub mod fuzzing;
mod module;
mod net;
mod object;
mod policy;
mod sockaddr;
mod sys;
#[cfg(test)]
mod testing;
mod vm;

pub use embed::{Counters, Handle, SocketInfo, SocketModule, handoff};
pub use net::{Event, Limit, ResolveError, Resolver};
#[cfg(feature = "rules")]
pub use policy::{AuditOnly, Rule, RuleError, Rules};
pub use policy::{Denied, Operation, Policy, Target};
pub use rustpython_vm;
pub use sockaddr::SockAddr;
