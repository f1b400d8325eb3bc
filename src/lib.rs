//! Python's `socket` module for Rust programs that embed RustPython. It has Python's
//! documented API, written in Rust, works on any VM, and is controlled by the host.
//!
//! # A tour
//!
//! A host adds the module to an interpreter, so that its scripts can `import socket`.
//! This works on a VM without a standard library, where the module is a script's only
//! way to the outside:
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
//! Such a VM has no `sys.stdout`: `print` fails there, and scripts return results as
//! values.
//!
//! **Permissions.** A [`Policy`] decides what scripts may reach. [`Rules`] are a policy
//! that serves nearly every host; [`Rule`] says how rules are written. A refused
//! operation raises PermissionError, which names the operation, the target and the
//! rule:
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
//! **Limits.** [`SocketModule`] limits open sockets, bytes, connections a second, and
//! how long a call may wait.
//!
//! **Stopping a script.** A [`Handle`] ends the calls that wait, at once or at a
//! deadline, and closes sockets, from any thread of the host:
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
//! **Observing.** [`Handle::counters`] and [`Handle::sockets`] show what scripts do;
//! [`SocketModule::on_event`] reports each [`Event`].
//!
//! **Handing over sockets.** With [`handoff`] a `TcpStream` that the host accepted
//! becomes a script's socket, and a script's socket becomes an `OwnedFd`.
//!
//! **Names** are resolved by the system, or by the host's own [`Resolver`].
//!
//! **TLS** works over these sockets, with all of the above in force, if the interpreter
//! has a TLS library: the standard library's `ssl` with the `_ssl` of RustPython's
//! feature `ssl-rustls-aws-lc`. With `ssl-rustls` alone `import ssl` raises
//! ImportError, unless the host has set a provider of cryptography before. With
//! `ssl-openssl` it always does, because that `_ssl` takes only RustPython's own
//! sockets.
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
//! Pin RustPython's big integers to one version before the first build, because the
//! crate `pymath` accepts several and Cargo would pick the newest:
//!
//! ```text
//! cargo update malachite-bigint@0.14 --precise 0.12.0
//! ```
//!
//! # Untrusted scripts
//!
//! The policy guards this module only. With a full standard library, `os` and `ctypes`
//! reach the system in other ways. For untrusted scripts, use a VM without `host_env`
//! and without a standard library, in a process of its own, because a script can crash
//! the process, for example by endless recursion.
//!
//! # Features
//!
//! All are on by default:
//!
//! - `rules`: [`Rules`], [`Rule`] and [`AuditOnly`]. A host with its own [`Policy`], or
//!   without any, does not need it.
//! - `ssl`: TLS over these sockets. A host whose interpreters have no `_ssl` does not
//!   need it.
//! - `threading` lets the interpreter's other threads run while a call waits; it needs the
//!   VM's feature of that name, and turns it on.
//!
//! # Versions
//!
//! The VM has no stable interface, so each version of this crate works with one version
//! of `rustpython-vm`. The crate re-exports it as [`rustpython_vm`], so that a host
//! need not have it in its own `Cargo.toml`. Each new minor version of the VM (0.6 to
//! 0.7) needs a new minor version of this crate, and each new patch version of the VM a
//! patch version. Between minor versions the public
//! interface only grows: enums, their variants and the structs with public fields are
//! `#[non_exhaustive]`, so that a `match` needs a `_` arm and a pattern a `..`, and
//! traits get no method without a default. The minimum Rust version (`rust-version` in
//! `Cargo.toml`) rises only with a minor version, too. Texts for people, such as those of
//! [`Denied`] and of rule errors, may change in any version.
#![deny(unsafe_code)]
#![warn(missing_debug_implementations, missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(target_os = "linux"))]
compile_error!("rustpython-socket needs Linux");

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
mod state;
mod sys;
#[cfg(test)]
mod testing;
mod vm;

pub use embed::{Counters, Handle, SocketInfo, SocketModule, handoff};
pub use net::{Event, Limit, ResolveError, Resolver, SocketId};
#[cfg(feature = "rules")]
pub use policy::{AuditOnly, Rule, RuleError, Rules};
pub use policy::{Denied, Operation, Policy, Target};
pub use rustpython_vm;
pub use sockaddr::SockAddr;
