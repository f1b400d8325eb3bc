//! The texts of refusals, and who gets them.

use super::*;
use crate::policy::AuditOnly;
use std::sync::{Arc, Mutex};

#[test]
fn refusals_name_operation_target_and_rule() {
    let rules = Rules::allow_all().deny("connect=10.0.0.0/8").unwrap();
    let target = |address: &str, name: Option<&'static str>| {
        let address = inet(address);
        name.map_or(Target::address(address), |name| {
            Target::resolved(address, name)
        })
    };
    assert_eq!(
        refusal(&rules, Connect, target("10.0.0.1:80", None)),
        "connect to 10.0.0.1:80 is denied by the rule 'connect=10.0.0.0/8'"
    );
    let rules = Rules::deny_all();
    let other = |address: SockAddr| Target::address(address);
    for (operation, target, text) in [
        (
            Connect,
            target("10.0.0.1:80", Some("a.b")),
            "connect to 10.0.0.1:80 (a.b)",
        ),
        (Bind, target("[::1]:80", None), "bind to [::1]:80"),
        (
            Send,
            target("[::ffff:10.0.0.1]:80", None),
            "send to [::ffff:10.0.0.1]:80",
        ),
        (Resolve, target("10.0.0.1:0", None), "resolve of 10.0.0.1"),
        (Resolve, target("[::1]:80", None), "resolve of [::1]:80"),
        (Connect, Target::name("a.b", Some(80)), "connect to a.b:80"),
        (
            Resolve,
            Target::name("a\n\u{1b}b", None),
            "resolve of a\\n\\u{1b}b",
        ),
        (
            Connect,
            other(unix(b"/a\n\xff\0")),
            "connect to unix:/a\\n\\xff",
        ),
        (Connect, other(unix(b"\0a\0b")), "connect to unix:@a\\0b"),
        (Bind, other(unix(b"")), "bind to an unnamed unix address"),
        (Bind, other(vsock(2, 80)), "bind to vsock:2:80"),
        (
            Bind,
            other(raw(16, &[0; 10])),
            "bind to an address of family netlink",
        ),
        (Send, other(raw(99, &[])), "send to an address of family 99"),
        (
            CreateSocket,
            Target::socket(16, 3, 9),
            "socket of family netlink, type 3, protocol 9",
        ),
        (
            CreateSocket,
            Target::socket(10, 3, 58),
            "raw socket of family inet6",
        ),
        (UseDescriptor, Target::descriptor(7), "descriptor 7"),
        (UseOption, Target::socket_option(1, 36), "option SO_MARK"),
        (UseOption, Target::socket_option(0, 64), "option 0:64"),
        (
            CallSystem,
            Target::system("sethostname"),
            "system function sethostname()",
        ),
    ] {
        let expected = format!("{text} is not allowed by any rule");
        assert_eq!(refusal(&rules, operation, target), expected);
    }
}

#[test]
fn audit_only_reports_and_allows() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = log.clone();
    let policy = AuditOnly::new(Rules::loopback_only(), move |operation, target, denied| {
        let line = format!("{operation}, {target}: {denied}");
        seen.lock().unwrap().push(line);
    });
    assert!(policy.check(UseDescriptor, &Target::descriptor(1)).is_ok());
    let target = Target::address(inet("127.0.0.1:80"));
    assert!(policy.check(Connect, &target).is_ok());
    assert_eq!(
        *log.lock().unwrap(),
        ["descriptor, descriptor 1: descriptor 1 is not allowed by any rule"]
    );
    assert!(format!("{policy:?}").starts_with("AuditOnly { policy: Rules {"));
}

#[test]
fn audit_only_allows_even_if_functions_of_the_host_panic() {
    struct Panics;
    impl Policy for Panics {
        fn check(&self, _: Operation, _: &Target<'_>) -> Result<(), crate::policy::Denied> {
            panic!("a panic of the test's policy");
        }
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = log.clone();
    let policy = AuditOnly::new(Panics, move |_, _, denied| {
        seen.lock().unwrap().push(denied.to_string());
        panic!("a panic of the test's report");
    });
    let target = Target::descriptor(1);
    assert!(policy.check(UseDescriptor, &target).is_ok());
    assert_eq!(*log.lock().unwrap(), ["the host's policy panicked"]);
}

/// A script writes names of any length, and hosts write refusals into logs.
#[test]
fn long_names_are_cut() {
    let host = "é\n".repeat(25_000_000);
    let target = Target::name(&host, Some(80));
    let text = refusal(&Rules::deny_all(), Operation::Connect, target);
    assert!(text.len() < 1000 && text.contains("..."), "{}", text.len());
    let name = "a".repeat(253);
    let target = Target::name(&name, None);
    let text = refusal(&Rules::deny_all(), Operation::Connect, target);
    assert!(text.contains(&name) && !text.contains("..."), "{text}");
}

/// The text of a refusal is the one for the address itself: no name was given.
#[test]
fn an_address_is_allowed_by_any_name_that_led_to_it() {
    let rules = allowing(&["a.example:443", "b.example:80"])
        .deny("b.example:81")
        .unwrap();
    let known_as = ["b.example", "x.example", "a.example."];
    let connect = |port: u16| {
        let address = inet(&format!("10.0.0.1:{port}"));
        rules.check(Connect, &Target::known_as(address, &known_as))
    };
    assert!(connect(443).is_ok() && connect(80).is_ok());
    for port in [22, 81] {
        let text = format!("connect to 10.0.0.1:{port} is not allowed by any rule");
        assert_eq!(connect(port).unwrap_err().reason(), text);
    }
    let address = inet("10.0.0.1:443");
    let denying = rules.deny("10.0.0.0/8").unwrap();
    let target = Target::known_as(address, &known_as);
    assert!(denying.check(Connect, &target).is_err());
}
