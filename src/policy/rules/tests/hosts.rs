//! Names and addresses of IPv4 and IPv6.

use super::*;

#[test]
fn names_and_ports() {
    let rules = allowing(&["example.com:443", "*.example.org:8000-8999", "any.example"]);
    for name in [
        "example.com:443",
        "EXAMPLE.com:443",
        "example.com.:443",
        "a.example.org:8000",
        "a.b.example.org.:8999",
        "any.example:1",
        "any.example:65535",
    ] {
        assert!(asks_name(&rules, Connect, name), "{name}");
        assert!(asks_name(&rules, Send, name), "{name}");
        assert!(asks_name(&rules, Resolve, name), "{name}");
    }
    for name in [
        "example.com:80",
        "example.com..:443",
        "www.example.com:443",
        "example.com.evil:443",
        "xexample.com:443",
        "example.org:8000",
        "a.example.org:7999",
        "a.example.org:9000",
        ".example.org:8000",
        "example.com\\.:443",
        "ex\\097mple.com:443",
        ":443",
        "192.0.2.1:443",
    ] {
        assert!(!asks_name(&rules, Connect, name), "{name}");
    }
    // A look-up may be for any port, and for none.
    assert!(asks_name(&rules, Resolve, "example.com:80"));
    assert!(asks_name(&rules, Resolve, "example.com"));
    assert!(!asks_name(&rules, Resolve, "example.net"));
}

#[test]
fn a_rule_without_operations() {
    let allow = allowing(&["192.0.2.1", "example.com"]);
    let deny = denying(&["192.0.2.1", "example.com"]);
    for operation in [Connect, Send, Resolve] {
        assert!(asks_inet(&allow, operation, "192.0.2.1:80"));
        assert!(asks_name(&allow, operation, "example.com:80"));
        assert!(asks_answer(
            &allow,
            operation,
            "example.com",
            "192.0.2.9:80"
        ));
    }
    assert!(!asks_inet(&allow, Bind, "192.0.2.1:80"));
    assert!(!asks_answer(&allow, Bind, "example.com", "192.0.2.9:80"));
    for operation in [Connect, Send, Resolve, Bind] {
        assert!(!asks_inet(&deny, operation, "192.0.2.1:80"));
        assert!(!asks_name(&deny, operation, "example.com:80"));
        assert!(!asks_answer(
            &deny,
            operation,
            "example.com",
            "192.0.2.9:80"
        ));
        assert!(asks_inet(&deny, operation, "192.0.2.2:80"));
    }
}

#[test]
fn each_operation_by_itself() {
    let all = [Connect, Bind, Send];
    for own in all {
        for (text, address) in [
            ("192.0.2.0/24:80", inet("192.0.2.1:80")),
            ("[2001:db8::1]:80", inet("[2001:db8::1]:80")),
            ("unix:/a", unix(b"/a\0")),
            ("vsock:2:80", vsock(2, 80)),
        ] {
            let text = format!("{own}={text}");
            for other in all {
                let allowed = asks_address(&allowing(&[&text]), other, address);
                assert_eq!(allowed, own == other, "{text} {other}");
                let allowed = asks_address(&denying(&[&text]), other, address);
                assert_eq!(allowed, own != other, "{text} {other}");
            }
        }
    }
}

#[test]
fn every_spelling_of_an_address() {
    let allow = allowing(&["connect=127.0.0.1:80"]);
    let deny = denying(&["127.0.0.1"]);
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0X7F.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "00000177.1",
        "::ffff:127.0.0.1",
        "::FFFF:7F00:1",
        "0:0:0:0:0:ffff:7f00:1",
        "::ffff:127.0.0.1%lo",
        "::ffff:7f00:1%1",
    ] {
        assert!(asks_name(&allow, Connect, &format!("{host}:80")), "{host}");
        assert!(!asks_name(&allow, Connect, &format!("{host}:81")), "{host}");
        assert!(!asks_name(&deny, Connect, &format!("{host}:80")), "{host}");
        let name = Target::name(host, None);
        assert!(!asks(&deny, Resolve, name.clone()), "{host}");
        assert!(asks(&allow, Resolve, name), "{host}");
    }
    // With a final dot it is what the resolver takes it for: a name.
    for host in ["127.0.0.1.:80", "0177.1.:80", "2130706433.:80"] {
        assert!(!asks_name(&allow, Connect, host), "{host}");
        assert!(asks_name(&allowing(&["*"]), Connect, host), "{host}");
    }
    assert!(asks_inet(&allow, Connect, "[::ffff:127.0.0.1]:80"));
    assert!(!asks_inet(&deny, Connect, "[::ffff:127.0.0.1]:80"));
    // Not IPv4, wherever they may be tunnelled to.
    for address in [
        "[::127.0.0.1]:80",
        "[64:ff9b::7f00:1]:80",
        "[2002:7f00:1::]:80",
    ] {
        assert!(asks_inet(&deny, Connect, address), "{address}");
        assert!(!asks_inet(&allow, Connect, address), "{address}");
    }
    // No rule by name matches a number.
    assert!(!asks_name(
        &allowing(&["*.a", "resolve=a"]),
        Connect,
        "127.1:80"
    ));
}

#[test]
fn subnets() {
    let rules = allowing(&["10.0.0.0/8:53", "fd00::/8", "::ffff:192.0.2.0/120"]);
    for (address, allowed) in [
        ("10.0.0.0:53", true),
        ("10.255.255.255:53", true),
        ("11.0.0.0:53", false),
        ("9.255.255.255:53", false),
        ("10.0.0.0:54", false),
        ("[::ffff:10.9.9.9]:53", true),
        ("[fd00::]:1", true),
        ("[fdff::1]:0", true),
        ("[fe00::1]:1", false),
        ("192.0.2.77:1", true),
        ("[::ffff:192.0.2.77]:1", true),
        ("[::192.0.2.77]:1", false),
    ] {
        assert_eq!(asks_inet(&rules, Connect, address), allowed, "{address}");
    }
    let all6 = denying(&["::/0"]);
    assert!(!asks_inet(&all6, Connect, "[2001:db8::1]:1"));
    assert!(asks_inet(&all6, Connect, "[::ffff:10.0.0.1]:1"));
    let all4 = denying(&["0.0.0.0/0"]);
    assert!(!asks_inet(&all4, Connect, "[::ffff:10.0.0.1]:1"));
    assert!(!asks_inet(&all4, Connect, "255.255.255.255:1"));
    assert!(!asks_inet(&all4, Connect, "224.0.0.1:1"));
}

#[test]
fn names_are_not_matched_by_addresses() {
    let rules = allowing(&["0.0.0.0/0", "::/0"]);
    assert!(!asks_name(&rules, Connect, "example.com:80"));
    assert!(!asks_name(&rules, Resolve, "example.com"));
    for text in ["*", ":80"] {
        let rules = allowing(&[text]);
        assert!(asks_name(&rules, Connect, "example.com:80"), "{text}");
        assert!(asks_name(&rules, Resolve, "example.com"), "{text}");
        assert!(asks_inet(&rules, Connect, "192.0.2.1:80"), "{text}");
        assert!(asks_inet(&rules, Connect, "[2001:db8::1]:80"), "{text}");
    }
    assert!(!asks_name(&allowing(&[":80"]), Connect, "example.com:81"));
}

#[test]
fn an_allowed_name_opens_its_addresses_on_its_port() {
    let rules = allowing(&["example.com:443"]).deny("10.0.0.0/8").unwrap();
    assert!(asks_answer(&rules, Connect, "example.com", "192.0.2.1:443"));
    assert!(asks_answer(
        &rules,
        Connect,
        "Example.com.",
        "192.0.2.1:443"
    ));
    assert!(!asks_answer(&rules, Connect, "example.com", "192.0.2.1:80"));
    assert!(!asks_answer(&rules, Connect, "example.com", "10.0.0.1:443"));
    assert!(!asks_answer(
        &rules,
        Connect,
        "example.com",
        "[::ffff:10.0.0.1]:443"
    ));
    assert!(!asks_answer(&rules, Connect, "other.com", "192.0.2.1:443"));
    assert!(!asks_inet(&rules, Connect, "192.0.2.1:443"));
    assert!(asks_answer(&rules, Resolve, "example.com", "192.0.2.1:443"));
    assert!(asks_answer(&rules, Resolve, "example.com", "192.0.2.1:0"));
    assert!(!asks_answer(&rules, Resolve, "example.com", "10.0.0.1:0"));
    assert!(!asks_answer(&rules, Resolve, "other.com", "192.0.2.1:443"));
}

#[test]
fn looking_up_is_not_reaching() {
    let rules = allowing(&["resolve=*", "connect=10.0.0.0/8:80"]);
    assert!(asks_name(&rules, Resolve, "example.com"));
    assert!(asks_answer(&rules, Resolve, "example.com", "192.0.2.1:80"));
    // connect((name, port)) may look the name up; then the address decides.
    assert!(asks_name(&rules, Connect, "example.com:80"));
    assert!(asks_answer(&rules, Connect, "example.com", "10.0.0.1:80"));
    assert!(!asks_answer(&rules, Connect, "example.com", "192.0.2.1:80"));
    assert!(!asks_answer(&rules, Connect, "example.com", "10.0.0.1:81"));

    let rules = allowing(&["connect=*"]).deny_resolve("*.secret").unwrap();
    assert!(!asks_name(&rules, Connect, "a.secret:80"));
    assert!(asks_name(&rules, Connect, "a.public:80"));
    let rules = denying(&["connect=example.com"]);
    assert!(asks_name(&rules, Resolve, "example.com"));
    assert!(!asks_name(&rules, Connect, "example.com:80"));
}

#[test]
fn to_listen_opens_no_look_ups_of_others() {
    let rules = allowing(&["bind=:8080"]);
    assert!(!asks_name(&rules, Resolve, "data.evil.example"));
    assert!(!asks_inet(&rules, Resolve, "192.0.2.1:0"));
    assert!(asks_inet(&rules, Resolve, "0.0.0.0:8080"));
    assert!(asks_inet(&rules, Resolve, "[::]:8080"));
    assert!(asks_inet(&rules, Bind, "0.0.0.0:8080"));
    assert!(asks_name(&rules, Bind, "localhost:8080"));
    let rules = allowing(&["bind=localhost:8080"]);
    assert!(asks_name(&rules, Resolve, "localhost"));
    assert!(asks_answer(&rules, Resolve, "localhost", "127.0.0.1:8080"));
    let rules = allowing(&["bind=127.0.0.1:8080"]);
    assert!(asks_inet(&rules, Resolve, "127.0.0.1:0"));
    assert!(!asks_inet(
        &allowing(&["bind=0.0.0.0/0"]),
        Resolve,
        "192.0.2.1:0"
    ));
}

#[test]
fn a_denied_port_denies_no_look_up_without_one() {
    let rules = denying(&[":25", "example.com:443"]);
    assert!(asks_name(&rules, Resolve, "example.com"));
    assert!(asks_answer(&rules, Resolve, "example.com", "192.0.2.1:0"));
    assert!(!asks_name(&rules, Connect, "example.org:25"));
    assert!(!asks_inet(&rules, Connect, "192.0.2.1:25"));
    assert!(!asks_name(&rules, Resolve, "example.com:443"));
    assert!(!asks_name(
        &denying(&["example.com"]),
        Resolve,
        "example.com"
    ));
}
