//! The suite under strace(1), which stops it for the traced calls alone.

use super::traps::Targets;
use crate::support::{LONG, output_within};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs this test binary under strace(1), with `targets` in the variable
/// `held`, and looks for them in the trace.
pub fn check(targets: &Targets, held: &str) {
    let log = Path::new(&targets.directory).join("trace");
    let mut command = Command::new("strace");
    command
        .args(["-f", "--seccomp-bpf", "-qq", "-s", "200", "-o"])
        .arg(&log)
        .args(["-e", "trace=connect,bind,sendto,sendmsg,sendmmsg"])
        .args(["-e", "signal=none"])
        .arg(std::env::current_exe().unwrap())
        .args(["--test-threads=1", "--nocapture"])
        .args(["nothing_but_the_listed", "what_is_denied"])
        .env(held, targets.to_text());
    let output = output_within(&mut command, LONG * 4);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("attempts under Deny"), "{text}");
    let log = fs::read_to_string(log).unwrap();
    let found = Found::in_log(&log);
    println!(
        "traced: {} calls with an address, of {} ports and {} paths",
        found.calls,
        found.ports.len(),
        found.paths.len()
    );
    // The allowed targets are there: the trace is of the suite.
    assert!(found.calls > 100 && found.ports.len() > 4 && found.paths.len() > 4);
    for port in [targets.tcp, targets.tcp6, targets.udp, targets.udp6] {
        let port = format!("port=htons({port})");
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&port)).collect();
        assert!(lines.is_empty(), "{lines:?}");
    }
    for path in &found.paths {
        assert!(!path.contains(&targets.directory), "{path}");
        assert!(!path.contains(&targets.name), "{path}");
    }
    let outside: Vec<_> = found.hosts.iter().filter(|host| !is_known(host)).collect();
    assert!(outside.is_empty(), "{outside:?}");
}

/// Runs the attempts alone, without the calls that are allowed, and looks for
/// options and flags that a policy keeps from scripts.
pub fn check_options(targets: &Targets, held: &str, attempts_only: &str) {
    let log = Path::new(&targets.directory).join("options");
    let mut command = Command::new("strace");
    command
        .args(["-f", "--seccomp-bpf", "-qq", "-s", "200", "-o"])
        .arg(&log)
        .args(["-e", "trace=setsockopt,getsockopt,sendto,sendmsg"])
        .args(["-e", "signal=none"])
        .arg(std::env::current_exe().unwrap())
        .args(["--test-threads=1", "--nocapture"])
        .args(["nothing_but_the_listed"])
        .env(held, targets.to_text())
        .env(attempts_only, "");
    let output = output_within(&mut command, LONG * 4);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let log = fs::read_to_string(log).unwrap();
    let mut options = BTreeSet::new();
    for line in log.lines().filter(|line| line.contains("sockopt(")) {
        let fields: Vec<_> = line.split(", ").collect();
        options.insert(format!("{} {}", fields[1], fields[2]));
    }
    println!("traced: {} options, {options:?}", options.len());
    // What the attempts use on the way to what is refused.
    let known = [
        "SOL_IP IP_BIND_ADDRESS_NO_PORT",
        "SOL_IPV6 IPV6_V6ONLY",
        "SOL_SOCKET SO_ACCEPTCONN",
        "SOL_SOCKET SO_BROADCAST",
        "SOL_SOCKET SO_DOMAIN",
        "SOL_SOCKET SO_ERROR",
        "SOL_SOCKET SO_LINGER",
        "SOL_SOCKET SO_PROTOCOL",
        "SOL_SOCKET SO_REUSEADDR",
        "SOL_SOCKET SO_REUSEPORT",
        "SOL_SOCKET SO_RCVLOWAT",
        // Limits a connect to loopback.
        "SOL_SOCKET SO_SNDTIMEO_OLD",
        "SOL_SOCKET SO_TYPE",
        "SOL_TCP TCP_FASTOPEN",
        "SOL_TCP TCP_FASTOPEN_CONNECT",
    ];
    assert!(options.len() > 4, "{options:?}");
    let strange: Vec<_> = options
        .iter()
        .filter(|option| !known.contains(&option.as_str()))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
    for word in [
        "MSG_ZEROCOPY",
        "cmsg_level=SOL_IP",
        "cmsg_level=SOL_IPV6",
        "cmsg_level=0x",
    ] {
        let found = log.lines().find(|line| line.contains(word));
        assert_eq!(found, None, "{word}");
    }
}

/// True of the addresses that the suite may use.
fn is_known(host: &str) -> bool {
    matches!(
        host,
        "127.0.0.1"
            | "127.0.0.5"
            | "::1"
            | "::ffff:127.0.0.1"
            | "::ffff:127.0.0.5"
            | "0.0.0.0"
            | "::"
    )
}

/// The addresses of a trace.
#[derive(Default)]
struct Found {
    calls: usize,
    ports: BTreeSet<u16>,
    hosts: BTreeSet<String>,
    paths: BTreeSet<String>,
}

impl Found {
    fn in_log(log: &str) -> Self {
        let mut found = Self::default();
        for line in log.lines() {
            found.calls += usize::from(line.contains("sa_family="));
            let ports = ["sin_port=htons(", "sin6_port=htons("];
            for port in ports.iter().flat_map(|key| after(line, key, ")")) {
                found.ports.insert(port.parse().unwrap());
            }
            let v6 = after(line, "inet_pton(AF_INET6, \"", "\"");
            for host in after(line, "inet_addr(\"", "\"").into_iter().chain(v6) {
                found.hosts.insert(host.to_owned());
            }
            for path in after(line, "sun_path=", "}") {
                found.paths.insert(path.to_owned());
            }
        }
        found
    }
}

/// Returns each text between `key` and `end`.
fn after<'a>(line: &'a str, key: &str, end: &str) -> Vec<&'a str> {
    let parts = line.split(key).skip(1);
    parts.filter_map(|part| part.split(end).next()).collect()
}
