//! The grammar, tested by how rules print.

use super::*;

#[test]
fn every_form_prints_in_one_spelling() {
    for (text, printed) in [
        ("*", "*"),
        ("*:*", "*"),
        (":*", "*"),
        (":0-65535", "*"),
        (":443", ":443"),
        ("*:443", ":443"),
        (":443-443", ":443"),
        (":0", ":0"),
        (":00443", ":443"),
        (":8000-8999", ":8000-8999"),
        ("example.com", "example.com"),
        ("Example.COM.", "example.com"),
        ("example.com:*", "example.com"),
        ("example.com:443", "example.com:443"),
        ("EXAMPLE.com.:443", "example.com:443"),
        ("localhost", "localhost"),
        ("a_b.-c-", "a_b.-c-"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1e100.net", "1e100.net"),
        ("4chan.org:80", "4chan.org:80"),
        ("abc:80", "abc:80"),
        ("ff:80", "ff:80"),
        ("*.example.com", "*.example.com"),
        ("*.Example.com.:80-81", "*.example.com:80-81"),
        ("*.com", "*.com"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3/32", "10.1.2.3"),
        ("10.1.2.3:80", "10.1.2.3:80"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/8:53", "10.0.0.0/8:53"),
        ("10.0.0.0/8:1-2", "10.0.0.0/8:1-2"),
        ("0.0.0.0", "0.0.0.0"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::", "::"),
        ("::1", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("[::1]", "::1"),
        ("[::1]:*", "::1"),
        ("[::1]:80", "[::1]:80"),
        ("[::1/128]:80", "[::1]:80"),
        ("::1:80", "::1:80"),
        ("::/0", "::/0"),
        ("[::]:80", "[::]:80"),
        ("FD00::/8", "fd00::/8"),
        ("[fd00::/8]", "fd00::/8"),
        ("[fd00::/8]:80-90", "[fd00::/8]:80-90"),
        ("fd::1", "fd::1"),
        ("fd:1:2:3:4:5:6:7", "fd:1:2:3:4:5:6:7"),
        ("fd::/16", "fd::/16"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("[::ffff:a01:203]:80", "10.1.2.3:80"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::fffe:0:0/95", "::fffe:0:0/95"),
        ("::10.1.2.3", "::a01:203"),
        ("unix:*", "unix:*"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
        ("unix://run/./x/../a.sock", "unix:/run/a.sock"),
        ("unix:/a=b", "unix:/a=b"),
        ("unix:/a:80", "unix:/a:80"),
        ("unix:/a b", "unix:/a b"),
        ("unix:/é", "unix:/é"),
        ("unix:/run/", "unix:/run/"),
        ("unix:/run/.", "unix:/run/"),
        ("unix:/run/x/..", "unix:/run/"),
        ("unix:/", "unix:/"),
        ("unix:///..", "unix:/"),
        ("unix:a.sock", "unix:a.sock"),
        ("unix:./a.sock", "unix:a.sock"),
        ("unix:run/", "unix:run/"),
        ("unix:./", "unix:./"),
        ("unix:.", "unix:./"),
        ("unix:a/..", "unix:./"),
        ("unix:..", "unix:../"),
        ("unix:../a", "unix:../a"),
        ("unix:./@a", "unix:./@a"),
        ("unix:./@a/", "unix:./@a/"),
        ("unix:80", "unix:80"),
        ("unix:@a", "unix:@a"),
        ("unix:@a*", "unix:@a*"),
        ("unix:@*", "unix:@*"),
        ("unix:@/a/../b", "unix:@/a/../b"),
        ("unix:@@", "unix:@@"),
        ("unix:@a=b", "unix:@a=b"),
        ("vsock:*", "vsock:*"),
        ("vsock:*:*", "vsock:*"),
        ("vsock:2", "vsock:2"),
        ("vsock:2:1024", "vsock:2:1024"),
        ("vsock:4294967295:4294967295", "vsock:4294967295:4294967295"),
        ("vsock:2:0-4294967295", "vsock:2"),
        ("vsock:*:1-70000", "vsock:*:1-70000"),
        ("socket:raw", "socket:raw"),
        ("socket:netlink", "socket:netlink"),
        ("socket:16", "socket:netlink"),
        ("socket:99", "socket:99"),
        ("socket:*", "socket:*"),
        ("option:*", "option:*"),
        ("option:SO_MARK", "option:SO_MARK"),
        ("option:1:36", "option:SO_MARK"),
        ("option:1:2", "option:1:2"),
        ("option:0:64", "option:0:64"),
        ("option:IP_NETFILTER", "option:IP_NETFILTER"),
        ("system:*", "system:*"),
        ("system:sethostname", "system:sethostname"),
        ("descriptor:*", "descriptor:*"),
        ("descriptor:0", "descriptor:0"),
        ("descriptor:2147483647", "descriptor:2147483647"),
        ("connect=*", "connect=*"),
        ("connect=:80", "connect=:80"),
        ("send+connect=10.0.0.0/8:53", "connect+send=10.0.0.0/8:53"),
        (
            "resolve+send+bind+connect=example.com",
            "connect+bind+send+resolve=example.com",
        ),
        ("bind=127.0.0.1:8000-8999", "bind=127.0.0.1:8000-8999"),
        ("bind=::1", "bind=::1"),
        ("connect=unix:/a=b", "connect=unix:/a=b"),
        ("bind=unix:@x", "bind=unix:@x"),
        ("connect=vsock:2:80", "connect=vsock:2:80"),
    ] {
        let first = rule(text);
        assert_eq!(first.to_string(), printed, "{text}");
        assert_eq!(rule(printed), first, "{text}");
    }
}

/// Numbers that only look random (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % end
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

#[test]
fn whatever_can_be_read_prints_as_itself() {
    let pieces = [
        "connect",
        "bind",
        "send",
        "resolve",
        "descriptor",
        "+",
        "=",
        "*",
        "*.",
        ".",
        "..",
        "/",
        "@",
        ":",
        "::",
        "-",
        "[",
        "]",
        "%",
        "0",
        "1",
        "80",
        "255",
        "65536",
        "127.0.0.1",
        "10.0.0.0/8",
        "0x7f",
        "::1",
        "fd",
        "fd00::",
        "ffff",
        "::ffff:",
        "example",
        "com",
        "EX",
        "unix:",
        "vsock:",
        "socket:",
        "option:",
        "system:",
        "descriptor:",
        "Socket:",
        "raw",
        "netlink",
        "SO_MARK",
        "é",
        " ",
        "\\",
        "sethostname",
        "/8",
        "/128",
        "_",
        "@a",
        "a/",
        "./",
        "../",
    ];
    let mut numbers = Numbers(5);
    let mut read = 0;
    for _ in 0..200_000 {
        let length = numbers.below(6) + 1;
        let text: String = (0..length).map(|_| numbers.one_of(&pieces)).collect();
        match text.parse::<Rule>() {
            Ok(first) => {
                read += 1;
                let printed = first.to_string();
                assert_eq!(printed.parse(), Ok(first), "{text} {printed}");
            }
            Err(error) => {
                assert!(text.is_char_boundary(error.position()), "{text}");
                assert!(error.render().ends_with('^'), "{text}");
            }
        }
    }
    assert!(read > 10_000, "{read}");
}

#[test]
fn every_combination_prints_as_itself() {
    let operations = [
        "",
        "connect=",
        "bind=",
        "send+connect=",
        "resolve+bind+send+connect=",
    ];
    let hosts = [
        "*",
        "",
        "a.example",
        "*.example",
        "192.0.2.1",
        "192.0.2.0/24",
        "[2001:db8::1]",
        "[2001:db8::/32]",
        "[::]",
        "0.0.0.0",
    ];
    let ports = [
        "", ":*", ":0", ":1", ":65535", ":1-2", ":0-1", ":1-65535", ":0-65535",
    ];
    for operation in operations {
        for host in hosts {
            for port in ports {
                let text = format!("{operation}{host}{port}");
                if host.is_empty() && port.is_empty() {
                    continue;
                }
                let first = rule(&text);
                assert_eq!(rule(&first.to_string()), first, "{text}");
            }
        }
    }
}
