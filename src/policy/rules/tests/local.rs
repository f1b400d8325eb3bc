//! Unix and vsock addresses, and descriptors.

use super::*;

fn path(rules: &Rules, path: &str) -> bool {
    asks_address(rules, Connect, unix(&[path.as_bytes(), b"\0"].concat()))
}

#[test]
fn paths() {
    let rules = allowing(&["unix:/run/a.sock", "unix:/tmp/app/"]);
    for found in [
        "/run/a.sock",
        "//run//a.sock",
        "/run/./a.sock",
        "/run/x/../a.sock",
        "/../run/a.sock",
        "/tmp/app/x",
        "/tmp/app/x/y",
        "/tmp/app/../app/x",
        "/tmp/app/..x",
    ] {
        assert!(path(&rules, found), "{found}");
    }
    for found in [
        "/run/b.sock",
        "/run/a.sock2",
        "/run/A.sock",
        "run/a.sock",
        "a.sock",
        "/tmp/app",
        "/tmp/app/",
        "/tmp/app/.",
        "/tmp/app/x/..",
        "/tmp/application/x",
        "/tmp/app/../etc/x",
        "/tmp/app/x/../../etc",
        "/tmp/app/../../etc/x",
        "tmp/app/x",
        "/",
        "/tmp",
        "@tmp/app/x",
    ] {
        assert!(!path(&rules, found), "{found}");
    }
    let rules = denying(&["unix:/run/docker.sock", "unix:/tmp/app/"]);
    assert!(!path(&rules, "/run/x/..//./docker.sock"));
    assert!(!path(&rules, "/tmp/x/../app/y"));
    assert!(path(&rules, "/tmp/app/../y"));
}

#[test]
fn relative_paths() {
    let rules = allowing(&["unix:a.sock", "unix:run/", "unix:/"]);
    for found in [
        "a.sock",
        "./a.sock",
        "x/../a.sock",
        "run/x",
        "./run//x",
        "/any/thing",
    ] {
        assert!(path(&rules, found), "{found}");
    }
    for found in [
        "b.sock",
        "../a.sock",
        "run",
        "run/../x",
        "../run/x",
        "..",
        "/",
    ] {
        assert!(!path(&rules, found), "{found}");
    }
    let here = allowing(&["unix:./"]);
    assert!(path(&here, "a/b") && path(&here, "..a"));
    assert!(!path(&here, "/a") && !path(&here, "../a") && !path(&here, "a/../../b"));
}

#[test]
fn a_path_ends_at_its_nul_but_an_abstract_name_does_not() {
    let rules = allowing(&["unix:/a", "unix:@a", "unix:@p-*"]);
    for (bytes, allowed) in [
        (&b"/a\0"[..], true),
        (b"/a", true),
        (b"/a\0b", true),
        (b"\0a", true),
        (b"\0a\0", false),
        (b"\0", false),
        (b"\0ab", false),
        (b"\0p-", true),
        (b"\0p-x\0\xff", true),
        (b"\0p", false),
        (b"a", false),
        (b"@a", false),
        (b"", false),
        (b"\0/a", false),
    ] {
        assert_eq!(
            asks_address(&rules, Connect, unix(bytes)),
            allowed,
            "{bytes:?}"
        );
    }
}

#[test]
fn unnamed_addresses() {
    let unnamed = unix(b"");
    for (text, allowed) in [
        ("bind=unix:*", true),
        ("bind=unix:@*", true),
        ("bind=unix:@a*", false),
        ("bind=unix:/", false),
        ("bind=unix:./", false),
        ("bind=*", false),
    ] {
        assert_eq!(
            asks_address(&allowing(&[text]), Bind, unnamed),
            allowed,
            "{text}"
        );
    }
    assert!(!asks_address(&Rules::loopback_only(), Bind, unnamed));
    assert!(!asks_address(&denying(&["unix:@*"]), Bind, unnamed));
}

#[test]
fn all_unix_addresses() {
    let (allow, deny) = (allowing(&["unix:*"]), denying(&["unix:*"]));
    for bytes in [&b"/a\0"[..], b"\0a", b"", b"\0", b"\xff", &[b'/'; 126]] {
        assert!(asks_address(&allow, Connect, unix(bytes)), "{bytes:?}");
        assert!(!asks_address(&deny, Bind, unix(bytes)), "{bytes:?}");
        assert!(
            !asks_address(&allowing(&["*"]), Connect, unix(bytes)),
            "{bytes:?}"
        );
    }
    assert!(!asks_address(&allow, Bind, unix(b"/a\0")));
    // Sockets between the script's own ends stay usable.
    assert!(asks_kind(&deny, 1, 1) && asks_kind(&Rules::deny_all(), 1, 5));
}

#[test]
fn vsock_addresses() {
    let rules = allowing(&["vsock:2:1024-2048", "vsock:3", "vsock:*:7"]);
    for (cid, port, allowed) in [
        (2, 1024, true),
        (2, 2048, true),
        (2, 2049, false),
        (3, 0, true),
        (3, u32::MAX, true),
        (4, 7, true),
        (4, 8, false),
        (u32::MAX, 7, true),
        (u32::MAX, 1024, false),
    ] {
        assert_eq!(
            asks_address(&rules, Connect, vsock(cid, port)),
            allowed,
            "{cid}:{port}"
        );
    }
    assert!(!asks_address(&rules, Bind, vsock(3, 1)));
    assert!(!asks_address(&denying(&["vsock:2:80"]), Bind, vsock(2, 80)));
    assert!(asks_address(&denying(&["vsock:2:80"]), Bind, vsock(2, 81)));
    assert!(!asks_address(&allowing(&["*"]), Connect, vsock(2, 80)));
}

#[test]
fn descriptors() {
    let uses = |rules: &Rules, fd| asks(rules, UseDescriptor, Target::descriptor(fd));
    assert!(uses(&Rules::allow_all(), 0));
    assert!(!uses(&Rules::deny_all(), 0));
    assert!(!uses(&Rules::loopback_only(), 0));
    assert!(!uses(&allowing(&["*"]), 0));
    let rules = allowing(&["descriptor:3"]);
    assert!(uses(&rules, 3) && !uses(&rules, 4) && !uses(&rules, -1));
    let rules = allowing(&["descriptor:*"]).deny("descriptor:2").unwrap();
    assert!(uses(&rules, 3) && !uses(&rules, 2));
    let rules = denying(&["descriptor:*"]);
    assert!(!uses(&rules, 3));
}
