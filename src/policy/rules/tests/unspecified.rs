//! Addresses that are left open: 0.0.0.0, `::` and AF_UNSPEC.

use super::*;

#[test]
fn unspecified_is_loopback_for_those_who_go_there() {
    for text in ["127.0.0.1", "127.0.0.0/8", "127.0.0.1:80"] {
        let rules = denying(&[text]);
        for operation in [Connect, Send] {
            assert!(!asks_inet(&rules, operation, "0.0.0.0:80"), "{text}");
            assert!(
                !asks_inet(&rules, operation, "[::ffff:0.0.0.0]:80"),
                "{text}"
            );
            assert!(asks_inet(&rules, operation, "[::]:80"), "{text}");
        }
        assert!(!asks_name(&rules, Connect, "0:80"), "{text}");
    }
    assert!(!asks_inet(&denying(&["::1"]), Connect, "[::]:80"));
    assert!(asks_inet(&denying(&["::1"]), Connect, "0.0.0.0:80"));
    assert!(!asks_inet(&denying(&["0.0.0.0"]), Connect, "0.0.0.0:80"));

    let rules = allowing(&["connect+bind=127.0.0.1:80"]);
    assert!(asks_inet(&rules, Connect, "0.0.0.0:80"));
    assert!(!asks_inet(&rules, Connect, "0.0.0.0:81"));
    assert!(!asks_inet(&rules, Connect, "[::]:80"));
    assert!(!asks_inet(&rules, Bind, "0.0.0.0:80"));
    assert!(asks_inet(&allowing(&["connect=::1"]), Connect, "[::]:80"));
    let rules = allowing(&["connect=127.0.0.1"]);
    assert!(!asks_inet(&rules, Connect, "[::]:80"));
    assert!(asks_inet(&rules, Connect, "[::ffff:0.0.0.0]:80"));
    // A subnet around it is not meant for loopback, the address itself is.
    assert!(!asks_inet(&allowing(&["0.0.0.0/8"]), Connect, "0.0.0.0:80"));
    assert!(asks_inet(&allowing(&["0.0.0.0:80"]), Connect, "0.0.0.0:80"));
    assert!(asks_inet(&allowing(&["[::]:80"]), Connect, "[::]:80"));
    assert!(asks_inet(
        &allowing(&["bind=0.0.0.0:80"]),
        Bind,
        "0.0.0.0:80"
    ));
    assert!(asks_inet(
        &allowing(&["bind=0.0.0.0:80"]),
        Resolve,
        "0.0.0.0:80"
    ));
}

#[test]
fn an_unspecified_family_is_an_ipv4_address() {
    let address = raw(0, &[0, 80, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(!asks_address(&denying(&["10.0.0.0/8"]), Send, address));
    assert!(!asks_address(&Rules::loopback_only(), Send, address));
    assert!(asks_address(&allowing(&["10.0.0.0/8"]), Send, address));
    assert!(!asks_address(&denying(&["socket:unspec"]), Send, address));
    assert!(!asks_address(&Rules::deny_all(), Bind, SockAddr::empty()));
    // A short address reads as zeros.
    assert!(!asks_address(
        &denying(&["127.0.0.1"]),
        Connect,
        raw(2, &[0, 80])
    ));
}

#[test]
fn binding_to_unspecified_is_binding_to_every_address() {
    let denied = |texts: &[&str], address| {
        let all = !asks_inet(&denying(texts), Bind, address);
        // A rule that allows the address itself changes nothing.
        let rules = texts
            .iter()
            .fold(allowing(&["bind=0.0.0.0", "bind=::"]), |rules, text| {
                rules.deny_rule(rule(text))
            });
        assert_eq!(
            !asks_inet(&rules, Bind, address),
            all,
            "{texts:?} {address}"
        );
        all
    };
    for text in [
        "bind=10.0.0.5:8080",
        "connect+bind=10.0.0.5",
        "bind=10.0.0.0/8",
        "bind=:8080",
    ] {
        for address in ["0.0.0.0:8080", "[::]:8080", "[::ffff:0.0.0.0]:8080"] {
            assert!(denied(&[text], address), "{text} {address}");
        }
    }
    assert!(denied(&["bind=fd00::1"], "[::]:80"));
    assert!(!denied(&["bind=fd00::1"], "0.0.0.0:80"));
    for text in [
        "bind=10.0.0.5:8080",
        "10.0.0.5",
        "connect=10.0.0.5",
        "connect+send+resolve=fd00::1",
        "bind=a.example",
    ] {
        assert!(!denied(&[text], "0.0.0.0:80"), "{text}");
        assert!(!denied(&[text], "[::]:80"), "{text}");
    }
    // With an index.
    let many: Vec<_> = (0..50).map(|n| format!("bind=10.0.{n}.5:8080")).collect();
    let many: Vec<_> = many.iter().map(|text| text.as_str()).collect();
    assert!(denied(&many, "0.0.0.0:8080") && !denied(&many, "0.0.0.0:80"));
    let rules = Rules::loopback_only().allow("bind=0.0.0.0:80").unwrap();
    assert!(asks_inet(&rules, Bind, "0.0.0.0:80"));
}
