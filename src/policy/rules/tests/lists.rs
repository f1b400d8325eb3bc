//! Lists of rules: what they start from, deny against allow.

use super::*;

#[test]
fn loopback_only() {
    let rules = Rules::loopback_only();
    for address in [
        "127.0.0.1:80",
        "127.255.0.1:0",
        "[::1]:80",
        "[::ffff:127.0.0.1]:80",
    ] {
        for operation in [Connect, Bind, Send, Resolve] {
            assert!(
                asks_inet(&rules, operation, address),
                "{operation} {address}"
            );
        }
    }
    for address in ["0.0.0.0:80", "[::]:80", "[::ffff:0.0.0.0]:80", "0.0.0.0:0"] {
        assert!(asks_inet(&rules, Connect, address), "{address}");
        assert!(asks_inet(&rules, Send, address), "{address}");
        assert!(asks_inet(&rules, Resolve, address), "{address}");
        assert!(!asks_inet(&rules, Bind, address), "{address}");
    }
    for address in [
        "10.0.0.1:80",
        "128.0.0.1:80",
        "126.255.255.255:80",
        "255.255.255.255:80",
        "0.0.0.1:80",
        "224.0.0.1:80",
        "[::2]:80",
        "[::127.0.0.1]:80",
        "[fe80::1]:80",
        "[::ffff:10.0.0.1]:80",
        "[64:ff9b::7f00:1]:80",
    ] {
        for operation in [Connect, Bind, Send, Resolve] {
            assert!(
                !asks_inet(&rules, operation, address),
                "{operation} {address}"
            );
        }
    }
    for name in [
        "localhost:80",
        "LocalHost.:80",
        "a.localhost:80",
        "a.b.LOCALHOST:0",
        "127.1:80",
    ] {
        for operation in [Connect, Bind, Send, Resolve] {
            assert!(asks_name(&rules, operation, name), "{operation} {name}");
        }
    }
    for name in [
        "example.com:80",
        ".localhost:80",
        "xlocalhost:80",
        "localhost.evil:80",
        "localhos:80",
        "localhost..:80",
        "a\\.localhost:80",
        ":80",
        "10.1:80",
    ] {
        for operation in [Connect, Bind, Send, Resolve] {
            assert!(!asks_name(&rules, operation, name), "{operation} {name}");
        }
    }
    // Wherever a resolver says that it is.
    for operation in [Connect, Bind, Send, Resolve] {
        assert!(asks_answer(&rules, operation, "localhost", "127.0.0.1:80"));
        assert!(!asks_answer(&rules, operation, "localhost", "10.0.0.1:80"));
        assert!(!asks_answer(
            &rules,
            operation,
            "a.localhost",
            "[2001:db8::1]:80"
        ));
    }
    let rules = rules
        .allow("10.0.0.1:80")
        .unwrap()
        .deny("127.0.0.2")
        .unwrap();
    assert!(asks_inet(&rules, Connect, "10.0.0.1:80"));
    assert!(!asks_inet(&rules, Connect, "127.0.0.2:80"));
    assert!(asks_inet(&rules, Connect, "127.0.0.3:80"));
}

#[test]
fn deny_all_and_allow_all() {
    for (rules, allowed) in [(Rules::deny_all(), false), (Rules::allow_all(), true)] {
        for operation in [Connect, Bind, Send, Resolve] {
            assert_eq!(asks_inet(&rules, operation, "127.0.0.1:80"), allowed);
            assert_eq!(asks_inet(&rules, operation, "0.0.0.0:0"), allowed);
            assert_eq!(asks_name(&rules, operation, "localhost:80"), allowed);
            assert_eq!(asks_address(&rules, operation, unix(b"/a\0")), allowed);
            assert_eq!(asks_address(&rules, operation, unix(b"")), allowed);
            assert_eq!(asks_address(&rules, operation, vsock(2, 80)), allowed);
            assert_eq!(asks_address(&rules, operation, SockAddr::empty()), allowed);
        }
    }
}

/// Rules from the widest to the narrowest that all match one target.
#[test]
fn deny_beats_allow_whichever_is_narrower() {
    let address = inet("10.1.2.3:80");
    let host = [
        "*",
        ":80",
        "10.0.0.0/8",
        "10.1.2.3",
        "10.1.2.3:80",
        "a.example:1-80",
        "*.example",
    ];
    let matrices: [(&[&str], Target<'_>, Operation); 7] = [
        (&host, Target::resolved(address, "a.example"), Connect),
        (
            &["*", ":80", "*.example", "a.example", "connect=a.example:80"],
            Target::name("A.example", Some(80)),
            Connect,
        ),
        (
            &[
                "unix:*",
                "unix:/",
                "unix:/a/",
                "unix:/a/b",
                "connect=unix:/a/b",
            ],
            Target::address(unix(b"/a/b\0")),
            Connect,
        ),
        (
            &["vsock:*", "vsock:2", "vsock:2:80", "vsock:*:80"],
            Target::address(vsock(2, 80)),
            Send,
        ),
        (
            &["socket:*", "socket:netlink"],
            Target::socket(16, 3, 0),
            CreateSocket,
        ),
        (
            &["option:*", "option:SO_MARK"],
            Target::socket_option(1, 36),
            UseOption,
        ),
        (
            &["system:*", "system:sethostname"],
            Target::system("sethostname"),
            CallSystem,
        ),
    ];
    for (texts, target, operation) in &matrices {
        assert!(!asks(&Rules::deny_all(), *operation, target.clone()));
        for allow in *texts {
            assert!(
                asks(&allowing(&[allow]), *operation, target.clone()),
                "{allow}"
            );
            for deny in *texts {
                for rules in [
                    Rules::deny_all(),
                    Rules::loopback_only(),
                    Rules::allow_all(),
                ] {
                    let (allow, deny) = (rule(allow), rule(deny));
                    let one = rules
                        .clone()
                        .allow_rule(allow.clone())
                        .deny_rule(deny.clone());
                    assert!(!asks(&one, *operation, target.clone()), "{one}");
                    let other = rules.deny_rule(deny).allow_rule(allow);
                    assert_eq!(one, other);
                }
            }
        }
    }
}
