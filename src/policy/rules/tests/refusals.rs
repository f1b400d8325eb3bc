//! The texts of refusals, and who gets them.

use super::super::AuditOnly;
use super::*;
use std::sync::{Arc, Mutex};

#[test]
fn refusals_name_operation_target_and_rule() {
    let rules = Rules::allow_all().deny("connect=10.0.0.0/8").unwrap();
    let target = |address: &str, name| Target::Address {
        address: inet(address),
        name,
    };
    assert_eq!(
        refusal(&rules, Connect, target("10.0.0.1:80", None)),
        "connect to 10.0.0.1:80 is denied by the rule 'connect=10.0.0.0/8'"
    );
    let rules = Rules::deny_all();
    let other = |address| Target::Address {
        address,
        name: None,
    };
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
        (
            Connect,
            Target::Name {
                host: "a.b",
                port: Some(80),
            },
            "connect to a.b:80",
        ),
        (
            Resolve,
            Target::Name {
                host: "a\n\u{1b}b",
                port: None,
            },
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
            Create,
            Target::Socket {
                family: 16,
                socket_type: 3,
                protocol: 9,
            },
            "create of a socket of family netlink, type 3, protocol 9",
        ),
        (
            Create,
            Target::Socket {
                family: 10,
                socket_type: 3,
                protocol: 58,
            },
            "create of a raw socket of family inet6",
        ),
        (Adopt, Target::Descriptor(7), "adopt of descriptor 7"),
        (
            Operation::Option,
            Target::SocketOption { level: 1, name: 36 },
            "option SO_MARK",
        ),
        (
            Operation::Option,
            Target::SocketOption { level: 0, name: 64 },
            "option 0:64",
        ),
        (
            System,
            Target::Service("sethostname"),
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
        let line = format!("{operation} {target:?} {denied}");
        seen.lock().unwrap().push(line);
    });
    assert!(policy.check(Adopt, &Target::Descriptor(1)).is_ok());
    let name = None;
    let address = inet("127.0.0.1:80");
    assert!(
        policy
            .check(Connect, &Target::Address { address, name })
            .is_ok()
    );
    assert_eq!(
        *log.lock().unwrap(),
        ["adopt Descriptor(1) adopt of descriptor 1 is not allowed by any rule"]
    );
    assert!(format!("{policy:?}").starts_with("AuditOnly { policy: Rules {"));
}

/// A script writes names of any length, and hosts write refusals into logs.
#[test]
fn long_names_are_cut() {
    let host = "é\n".repeat(25_000_000);
    let target = Target::Name {
        host: &host,
        port: Some(80),
    };
    let text = refusal(&Rules::deny_all(), Operation::Connect, target);
    assert!(text.len() < 1000 && text.contains("..."), "{}", text.len());
    let name = "a".repeat(253);
    let target = Target::Name {
        host: &name,
        port: None,
    };
    let text = refusal(&Rules::deny_all(), Operation::Connect, target);
    assert!(text.contains(&name) && !text.contains("..."), "{text}");
}
