//! Runs the rows of one table.

use super::hosts::{Descriptors, Names, Shared};
use super::row::{End, Row, Under};
use super::traps::{Targets, bound};
use super::{bind, connect, datagram, descriptors, kinds, names, objects, spelling};
use crate::support::{Lean, set_int, set_str};
use nix::sys::socket::{SockType, SockaddrIn, getsockname};
use rustpython_socket::{RuleError, Rules, SocketModule};
use rustpython_vm::VirtualMachine;
use rustpython_vm::scope::Scope;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Operations allowed without a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    Deny,
    Allow,
    Loopback,
}

/// All operations, written so that a rule is for every address of the machine, too.
const ALL: &str = "connect+bind+send+resolve";

/// The only address that scripts may bind to under [`Base::Deny`].
pub const BINDABLE: &str = "127.0.0.5";

/// First lines of every script.
const PRELUDE: &str = "
import socket
LO = '127.0.0.1'
LO6 = '::1'
def tcp(): return socket.socket()
def tcp6(): return socket.socket(socket.AF_INET6)
def udp(): return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def udp6(): return socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
def unix(kind=socket.SOCK_STREAM): return socket.socket(socket.AF_UNIX, kind)
def is_refusal(e):
    return 'is not allowed by any rule' in str(e) or 'is denied by the rule' in str(e)
def check_refused(call):
    try: call()
    except PermissionError as e: assert is_refusal(e), e
    else: assert False, 'not refused'
";

/// Runs an attempt that has to be refused.
const REFUSED: &str = "
try: attempt()
except PermissionError as e:
    if not is_refusal(e): raise
else:
    raise AssertionError('not refused')
";

/// Runs the same on an allowed target. The system may say no.
const CONTROL: &str = "
try: attempt()
except OSError as e:
    if STRICT or is_refusal(e): raise
";

pub struct Suite {
    base: Base,
    forbidden: Targets,
    allowed: Targets,
    /// An address at which nobody listens, and the socket that keeps it.
    closed: u16,
    _closed: OwnedFd,
}

/// Numbers of what a suite ran.
pub struct Counts {
    /// Attempts of each table, with its name.
    pub attempts: Vec<(&'static str, usize)>,
    pub controls: usize,
}

impl Suite {
    pub fn new(base: Base, forbidden: Targets, allowed: Targets) -> Self {
        let kept = bound("127.0.0.1", 0, SockType::Stream).unwrap();
        let closed: SockaddrIn = getsockname(kept.as_raw_fd()).unwrap();
        Self {
            base,
            forbidden,
            allowed,
            closed: closed.port(),
            _closed: kept,
        }
    }

    /// The rows of each table.
    fn tables(&self) -> [(&'static str, Vec<Row>); 8] {
        let mut tables = [
            ("connect", connect::rows()),
            ("spelling", spelling::rows()),
            ("datagram", datagram::rows()),
            ("bind", bind::rows()),
            ("names", names::rows()),
            ("descriptors", descriptors::rows()),
            ("kinds", kinds::rows()),
            ("objects", objects::rows()),
        ];
        for (_, rows) in &mut tables {
            rows.retain(|row| self.base == Base::Deny || row.under == Under::All);
        }
        tables
    }

    /// Makes every attempt, each in an interpreter of its own, and returns how many. Calls
    /// `after_each` to make room for the next.
    pub fn run(&self, after_each: impl Fn()) -> Counts {
        let with_controls = std::env::var_os(crate::ATTEMPTS).is_none();
        let mut failures = Vec::new();
        let mut counts = Counts {
            attempts: Vec::new(),
            controls: 0,
        };
        for (table, rows) in self.tables() {
            for row in &rows {
                if let Err(text) = self.attempt(row) {
                    failures.push(format!("{}: {text}", row.name));
                }
                if let Some(control) = &row.control
                    && with_controls
                    && self.is_allowed_by(row)
                {
                    counts.controls += 1;
                    if let Err(text) = self.control(row, control) {
                        failures.push(format!("{}, where it is allowed: {text}", row.name));
                    }
                }
                after_each();
            }
            counts.attempts.push((table, rows.len()));
        }
        let all = failures.join("\n");
        assert!(failures.is_empty(), "{} failed:\n{all}", failures.len());
        counts
    }

    fn rules(&self, more: &[&str]) -> Result<Rules, RuleError> {
        let (bad, good) = (&self.forbidden, &self.allowed);
        let mut rules = match self.base {
            Base::Deny => Rules::deny_all()
                .allow(&format!("127.0.0.1:{}", good.tcp))?
                .allow(&format!("127.0.0.1:{}", good.udp))?
                .allow(&format!("127.0.0.1:{}", self.closed))?
                .allow(&format!("[::1]:{}", good.tcp6))?
                .allow(&format!("[::1]:{}", good.udp6))?
                .allow(&format!("bind={BINDABLE}"))?,
            Base::Allow => Rules::allow_all(),
            Base::Loopback => Rules::loopback_only(),
        };
        for unix in [
            format!("connect+send+bind=unix:{}/", good.directory),
            format!("connect+send+bind=unix:@{}*", good.name),
        ] {
            rules = rules.allow(&unix)?;
        }
        for name in ["allowed.test", "mixed.test", "rebind.test"] {
            for port in [good.tcp, good.udp] {
                rules = rules.allow(&format!("{name}:{port}"))?;
            }
        }
        for deny in ["127.0.0.9", "forbidden.test", "descriptor:*"] {
            if self.base != Base::Deny || deny == "127.0.0.9" {
                rules = rules.deny(deny)?;
            }
        }
        if self.base != Base::Deny {
            for port in [bad.tcp, bad.udp] {
                rules = rules.deny(&format!("{ALL}=127.0.0.0/8:{port}"))?;
            }
            for port in [bad.tcp6, bad.udp6] {
                rules = rules.deny(&format!("{ALL}=[::1]:{port}"))?;
            }
            rules = rules
                .deny(&format!("unix:{}/", bad.directory))?
                .deny(&format!("unix:@{}*", bad.name))?
                .deny("socket:packet")?;
        }
        for rule in more {
            rules = rules.allow(rule)?;
        }
        Ok(rules)
    }

    fn attempt(&self, row: &Row) -> Result<(), String> {
        let end = match row.end {
            End::Refused => REFUSED,
            End::Quiet | End::Asserted => "attempt()",
        };
        let host = Host::new(self, &[]);
        host.run(&row.attempt, end, &self.forbidden)?;
        if row.end != End::Asserted && host.lean.handle.counters().refusals == 0 {
            return Err("nothing was refused".to_owned());
        }
        let leaked = host.names.leaked.lock().unwrap();
        if !leaked.is_empty() && self.base == Base::Deny {
            return Err(format!("the resolver was asked for {leaked:?}"));
        }
        if host.descriptors.are_untouched() {
            Ok(())
        } else {
            Err("a descriptor of the host's was used".to_owned())
        }
    }

    /// Tells whether the row's rules allow its control: under the other bases a rule that
    /// denies beats them.
    fn is_allowed_by(&self, row: &Row) -> bool {
        self.base == Base::Deny || row.allow.is_empty()
    }

    fn control(&self, row: &Row, statements: &str) -> Result<(), String> {
        let host = Host::new(self, row.allow);
        let strict = row.allow.is_empty() || row.allow == ["descriptor:*"];
        let control = format!(
            "STRICT = {}\n{CONTROL}",
            if strict { "True" } else { "False" }
        );
        host.run(statements, &control, &self.allowed)
    }

    /// Goes to every target without a policy.
    pub fn reach(&self) {
        let lean = Lean::new(SocketModule::new());
        let reach = "
s = tcp(); s.connect((LO, T)); s = tcp6(); s.connect((LO6, T6))
udp().sendto(b'x', (LO, U)); udp6().sendto(b'x', (LO6, U6))
unix().connect(STREAM); unix().connect('\\0' + ASTREAM)
unix(socket.SOCK_DGRAM).sendto(b'x', DATAGRAM)
unix(socket.SOCK_DGRAM).sendto(b'x', '\\0' + ADATAGRAM)
";
        let source = format!("{PRELUDE}{reach}");
        let prepared = lean.try_run(&source, |vm, scope| {
            self.targets(vm, scope, &self.forbidden)
        });
        prepared.unwrap();
    }

    /// The names that scripts know of targets: `own`, and the allowed ones.
    fn targets(&self, vm: &VirtualMachine, scope: &Scope, own: &Targets) {
        let good = &self.allowed;
        for (name, port) in [
            ("T", own.tcp),
            ("T6", own.tcp6),
            ("U", own.udp),
            ("U6", own.udp6),
            ("ALLOWED_T", good.tcp),
            ("ALLOWED_U", good.udp),
            ("ALLOWED_U6", good.udp6),
            ("CLOSED", self.closed),
        ] {
            set_int(vm, scope, name, port.into());
        }
        let host = if own.directory == good.directory {
            "allowed.test"
        } else {
            "forbidden.test"
        };
        for (name, text) in [
            ("STREAM", own.stream_path()),
            ("DATAGRAM", own.datagram_path()),
            ("ASTREAM", own.stream_name()),
            ("ADATAGRAM", own.datagram_name()),
            ("DIRECTORY", own.directory.clone()),
            ("ALLOWED_STREAM", good.stream_path()),
            ("ALLOWED_DIRECTORY", good.directory.clone()),
            ("BINDABLE", BINDABLE.to_owned()),
            ("HOST_NAME", host.to_owned()),
        ] {
            set_str(vm, scope, name, &text);
        }
        set_int(vm, scope, "LISTED", (self.base == Base::Deny).into());
    }
}

/// An interpreter for one script, and what its host has.
struct Host<'a> {
    suite: &'a Suite,
    lean: Lean,
    names: Arc<Names>,
    descriptors: Descriptors,
}

impl<'a> Host<'a> {
    fn new(suite: &'a Suite, allow: &[&str]) -> Self {
        let names = Arc::new(Names::default());
        let module = SocketModule::new()
            .policy(suite.rules(allow).unwrap())
            .resolver(Shared(names.clone()));
        Self {
            suite,
            lean: Lean::new(module),
            names,
            descriptors: Descriptors::default(),
        }
    }

    fn run(&self, statements: &str, end: &str, own: &Targets) -> Result<(), String> {
        let body = statements.trim_start_matches('\n').replace('\n', "\n    ");
        let source = format!("{PRELUDE}def attempt():\n    {body}\n{end}");
        self.lean.try_run(&source, |vm, scope| {
            self.suite.targets(vm, scope, own);
            let number = self.descriptors.open();
            set_int(vm, scope, "HOST", number.into());
            self.functions(vm, scope);
        })
    }

    /// Requests of a script to its host.
    fn functions(&self, vm: &VirtualMachine, scope: &Scope) {
        let set = |name: &str, function: rustpython_vm::PyObjectRef| {
            scope.globals.set_item(name, function, vm).unwrap();
        };
        let descriptors = self.descriptors.clone();
        let takes = move |number: i32| descriptors.take(number);
        set("host_takes", vm.new_function("host_takes", takes).into());
        let descriptors = self.descriptors.clone();
        let has = move |number: i32| descriptors.has(number);
        set("host_has", vm.new_function("host_has", has).into());
        let names = self.names.clone();
        let asked = move || names.asked.load(Ordering::SeqCst);
        set("asked", vm.new_function("asked", asked).into());
    }
}
