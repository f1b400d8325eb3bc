//! `--allow-net` and its relatives: what the program may reach.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustpython_socket::{AuditOnly, Denied, Rule, Rules, SocketModule};

use crate::usage::PROGRAM;

/// The network options of a command line, added up.
#[derive(Debug, Default)]
pub struct Network {
    /// `--allow-net` without rules.
    allow_all: bool,
    /// `--allow-net=loopback` or `--allow-net=local`.
    loopback: bool,
    allow: Vec<Rule>,
    /// `--no-net`, or `--deny-net` without rules.
    deny_all: bool,
    deny: Vec<Rule>,
    audit: Option<PathBuf>,
}

impl Network {
    /// Adds `--allow-net`, with what stands behind its `=`.
    pub fn allow(&mut self, rules: Option<&str>) -> Result<(), String> {
        match rules {
            None => self.allow_all = true,
            Some(rules) => {
                for rule in rules.split(',') {
                    let more = match rule {
                        "loopback" => INTERFACES.to_vec(),
                        "local" => [INTERFACES, PROCESSES].concat(),
                        rule => vec![rule],
                    };
                    self.loopback |= matches!(rule, "loopback" | "local");
                    let more = parse("--allow-net", more)?;
                    // Two of the words have rules in common.
                    let new = more.into_iter().filter(|rule| !self.allow.contains(rule));
                    let new: Vec<_> = new.collect();
                    self.allow.extend(new);
                }
            }
        }
        Ok(())
    }

    /// Adds `--deny-net`, with what stands behind its `=`.
    pub fn deny(&mut self, rules: Option<&str>) -> Result<(), String> {
        match rules {
            Some(rules) => {
                for rule in rules.split(',') {
                    let more = match rule {
                        "loopback" => LOOPBACK.to_vec(),
                        "local" => [LOOPBACK, INTERFACES, PROCESSES].concat(),
                        rule => vec![rule],
                    };
                    self.deny.extend(parse("--deny-net", more)?);
                }
            }
            None => self.deny_all = true,
        }
        Ok(())
    }

    /// Adds `--no-net`.
    pub fn deny_all(&mut self) {
        self.deny_all = true;
    }

    /// Adds `--net-audit`; the last file counts.
    pub fn audit(&mut self, file: &str) {
        self.audit = Some(file.into());
    }

    /// Returns the `socket` module that obeys these options, or what is wrong with the
    /// file for refusals.
    pub fn module(&self) -> Result<SocketModule, String> {
        // The process is the script's alone: its disposition of SIGPIPE decides, and it may
        // keep a processor busy for a moment.
        let module = SocketModule::new().sigpipe(true).busy_poll(BUSY_POLL);
        let Some(file) = &self.audit else {
            return Ok(match self.rules() {
                Some(rules) => module.policy(rules),
                None => module,
            });
        };
        let cannot_open = |error| format!("can't open file '{}': {error}", file.display());
        // The program may change its directory.
        let file = std::path::absolute(file).map_err(cannot_open)?;
        append(&file, "").map_err(cannot_open)?;
        let rules = self.rules().unwrap_or_else(Rules::deny_all);
        Ok(module.policy(AuditOnly::new(rules, move |_, _, denied| {
            record(&file, denied);
        })))
    }

    /// Returns the rules; `None` if no option says anything about what is allowed.
    fn rules(&self) -> Option<Rules> {
        if self.deny_all {
            return Some(Rules::deny_all());
        }
        let base = match (self.allow_all, self.loopback, self.allow.is_empty()) {
            (false, false, true) if self.deny.is_empty() => return None,
            (false, true, _) => Rules::loopback_only(),
            (false, false, false) => Rules::deny_all(),
            _ => Rules::allow_all(),
        };
        let rules = self.allow.iter().cloned().fold(base, Rules::allow_rule);
        Some(self.deny.iter().cloned().fold(rules, Rules::deny_rule))
    }
}

/// Time for which a wait polls before it sleeps. A sleep and a wake-up take up to 40 µs in a
/// virtual machine. With a shorter poll, two threads that wake each other would hardly ever find
/// anything by polling once both have slept.
const BUSY_POLL: Duration = Duration::from_micros(50);

/// Rules that `loopback` stands for in a denial: all that `Rules::loopback_only` allows.
const LOOPBACK: &[&str] = &["127.0.0.0/8", "::1", "localhost", "*.localhost"];

/// Rules that `loopback` and `local` add to `Rules::loopback_only`: questions for
/// interfaces, without which `::1%lo` cannot be written.
const INTERFACES: &[&str] = &[
    "system:if_nameindex",
    "system:if_nametoindex",
    "system:if_indextoname",
];

/// Rules that `local` adds to those of `loopback`, for tests and for programs of several
/// processes: AF_UNIX sockets wherever they are, and descriptors that are passed.
const PROCESSES: &[&str] = &["connect+bind+send=unix:*", "descriptor:*"];

/// Reads the rules of one option, which commas separate. A rule for a unix path with a comma
/// cannot be given here.
fn parse(option: &str, rules: Vec<&str>) -> Result<Vec<Rule>, String> {
    let rules = rules.into_iter().map(str::parse);
    let rules: Result<_, rustpython_socket::RuleError> = rules.collect();
    rules.map_err(|error| format!("{option}: {}", error.render()))
}

/// Adds a line for a refusal. If the file cannot be written, the program goes on.
fn record(file: &Path, denied: &Denied) {
    if let Err(error) = append(file, &format!("{denied}\n")) {
        let file = file.display();
        let _ = writeln!(io::stderr(), "{PROGRAM}: can't write to '{file}': {error}");
    }
}

/// Appends in one write, so that lines of several processes do not mix. A file
/// that stayed open might be closed by the program, and its number another file.
fn append(file: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(set: impl FnOnce(&mut Network) -> Result<(), String>) -> Option<String> {
        let mut network = Network::default();
        set(&mut network).unwrap();
        network.rules().map(|rules| rules.to_string())
    }

    #[test]
    fn without_options_there_are_no_rules() {
        assert_eq!(rules(|_| Ok(())), None);
        let audited = rules(|network| {
            network.audit("x");
            Ok(())
        });
        assert_eq!(audited, None);
    }

    #[test]
    fn words_are_sets_of_rules() {
        const INTERFACES: &str = "allow system:if_nameindex\nallow system:if_nametoindex
allow system:if_indextoname";
        let loopback = rules(|network| network.allow(Some("loopback,10.0.0.1")));
        let expected = format!("allow loopback only\n{INTERFACES}\nallow 10.0.0.1");
        assert_eq!(loopback, Some(expected));
        let local = format!(
            "allow loopback only\n{INTERFACES}\nallow connect+bind+send=unix:*\nallow descriptor:*"
        );
        for given in ["local", "loopback,local", "loopback,local,loopback"] {
            let found = rules(|network| network.allow(Some(given)));
            assert_eq!(found.as_deref(), Some(&*local), "{given}");
        }
    }

    #[test]
    fn the_words_can_be_denied() {
        const LOOPBACK: &str = "deny 127.0.0.0/8\ndeny ::1\ndeny localhost\ndeny *.localhost";
        let loopback = rules(|network| network.deny(Some("loopback,:25")));
        let expected = format!("allow all\n{LOOPBACK}\ndeny :25");
        assert_eq!(loopback, Some(expected));
        let local = rules(|network| network.deny(Some("local")));
        let expected = format!(
            "allow all\n{LOOPBACK}\ndeny system:if_nameindex\ndeny system:if_nametoindex
deny system:if_indextoname\ndeny connect+bind+send=unix:*\ndeny descriptor:*"
        );
        assert_eq!(local, Some(expected));
    }

    #[test]
    fn options_add_up() {
        let all = rules(|network| {
            network.allow(Some("a.example,:80"))?;
            network.deny(Some("10.0.0.0/8"))?;
            network.allow(Some("bind=[::1]"))
        });
        let expected = "deny all\nallow a.example\nallow :80\nallow bind=::1\ndeny 10.0.0.0/8";
        assert_eq!(all.as_deref(), Some(expected));
    }

    #[test]
    fn an_option_without_rules_is_for_everything() {
        let allowed = rules(|network| network.allow(None));
        assert_eq!(allowed.as_deref(), Some("allow all"));
        let denied = rules(|network| network.deny(Some(":25")));
        assert_eq!(denied.as_deref(), Some("allow all\ndeny :25"));
        let denied = rules(|network| network.allow(None).and(network.deny(None)));
        assert_eq!(denied.as_deref(), Some("deny all"));
        let denied = rules(|network| {
            network.deny_all();
            network.allow(Some("*"))
        });
        assert_eq!(denied.as_deref(), Some("deny all"));
    }
}
