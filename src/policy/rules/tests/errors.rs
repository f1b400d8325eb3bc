//! Malformed rules: the message, and where the caret points.

use super::*;

/// Checks a refusal. `caret` is the text with the character marked by a `^` before it.
fn fails(marked: &str, message: &str) {
    let at = marked.find('^').unwrap();
    let text = marked.replacen('^', "", 1);
    let error = text.parse::<Rule>().unwrap_err();
    assert_eq!((error.message(), error.position()), (message, at), "{text}");
    assert_eq!(error.text(), text);
    let column = text[..at].chars().count();
    let pointer = format!("{}^", " ".repeat(column + 2));
    let printed = error.render();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines, [message, &format!("  {text}"), &pointer], "{text}");
}

#[test]
fn operations() {
    let unknown = "unknown operation; there are connect, bind, send and resolve";
    for (marked, message) in [
        ("^", "the rule is empty"),
        ("^=a", "an operation is missing"),
        ("connect+^=a", "an operation is missing"),
        ("connect+^+bind=a", "an operation is missing"),
        ("^listen=a", unknown),
        ("^Connect=a", unknown),
        ("connect+^ bind=a", unknown),
        ("^example.com=80", unknown),
        ("^create=a", unknown),
        ("connect+bind+^connect=a", "connect is there twice"),
        ("connect=^", "a target is missing"),
        ("connect=bind^=a", "the operation is given already"),
        (
            "resolve=^unix:/a",
            "a unix socket has no resolve, only connect+bind+send",
        ),
        (
            "connect+resolve=^vsock:2",
            "a vsock address has no resolve, only connect+bind+send",
        ),
        ("connect=^descriptor:3", "a descriptor takes no operations"),
        ("^descriptor=3", unknown),
        ("connect+^socket=netlink", unknown),
        ("connect=^socket:raw", "a socket takes no operations"),
        ("bind=^option:SO_MARK", "an option takes no operations"),
        ("send=^system:*", "a function takes no operations"),
    ] {
        fails(marked, message);
    }
}

#[test]
fn hosts() {
    let strange = "a host name has no such character";
    let star = "'*' stands alone or begins '*.suffix'";
    let missing = "a label of the name is missing";
    for (marked, message) in [
        (
            "^Socket:80",
            "this word is written in lower case; a host of that name has no ports",
        ),
        ("exa^ mple.com", strange),
        ("^ example.com", strange),
        ("example.com^ ", strange),
        ("exa^,mple.com", strange),
        (
            "b^ücher.example",
            "international names are written as xn--...",
        ),
        ("exa^*mple.com", star),
        ("*.^*.com", star),
        ("^*example.com", star),
        ("a.^*", star),
        ("^.", missing),
        ("a.^.b", missing),
        ("^.example.com", missing),
        ("*.^", missing),
        ("*.^.com", missing),
        ("a.^.", missing),
        (
            "http^://example.com",
            "a rule has no scheme, only a host and ports",
        ),
        (
            "https^://[::1]:80",
            "a rule has no scheme, only a host and ports",
        ),
        ("^example.com/path", "a subnet begins with an address"),
        ("^256.1.1.1", "neither a name nor an address"),
        ("^1.2.3.4.5:80", "neither a name nor an address"),
        ("*.^256.0.1.", "neither a name nor an address"),
        ("user^@example.com", strange),
    ] {
        fails(marked, message);
    }
    fails(
        &format!("a.^{}.b", "x".repeat(64)),
        "a label has at most 63 characters",
    );
    let name = format!("^{}", "abcdefghi.".repeat(26));
    fails(&name, "a name has at most 253 characters");
}

#[test]
fn addresses_in_other_spellings() {
    for (marked, ip) in [
        ("^2130706433", "127.0.0.1"),
        ("^0x7f.1", "127.0.0.1"),
        ("connect=^127.1:80", "127.0.0.1"),
        ("^0177.0.0.1", "127.0.0.1"),
        ("^010.0.0.0/8", "8.0.0.0"),
        ("^10/8", "0.0.0.10"),
        ("^8080", "0.0.31.144"),
        ("*.^127.1", "127.0.0.1"),
    ] {
        let message = format!("write this address as {ip}, or a port with a colon before it");
        fails(marked, &message);
    }
}

#[test]
fn addresses_and_subnets() {
    let zone = "a rule has no zone: it is for every interface";
    let strange = "an IPv6 address has no such character";
    for (marked, message) in [
        ("10.0.0.0/^33", "a prefix of IPv4 has at most 32 bits"),
        ("10.0.0.0/^99999999999", "a prefix is at most 4294967295"),
        ("10.0.0.0/^", "a prefix is missing"),
        ("10.0.0.0/^:80", "a prefix is missing"),
        ("10.0.0.0/^x", "a prefix is a number"),
        ("10.0.0.0/^-1", "a prefix is a number"),
        ("10.0.0.0/8^/8", "a prefix is a number"),
        ("10.0.0.0/255^.0.0.0", "a prefix is a number"),
        ("^/8", "a subnet begins with an address"),
        (
            "^10.0.0/8x",
            "write this address as 10.0.0.0, or a port with a colon before it",
        ),
        (
            "^10.0.0.1/8",
            "this address has bits behind the prefix; the subnet is 10.0.0.0/8",
        ),
        (
            "[^fd00::1/8]:80",
            "this address has bits behind the prefix; the subnet is fd00::/8",
        ),
        (
            "^fd00::1/8",
            "this address has bits behind the prefix; the subnet is fd00::/8",
        ),
        ("::/^129", "a prefix of IPv6 has at most 128 bits"),
        ("::/8^:80", "a prefix is a number"),
        ("[::/^129]", "a prefix of IPv6 has at most 128 bits"),
        ("[::/^]", "a prefix is missing"),
        ("^[::1", "this bracket is not closed"),
        ("[::1]^80", "only a colon and ports can follow"),
        ("[::1]^/128", "only a colon and ports can follow"),
        ("[^127.0.0.1]:80", "not an IPv6 address"),
        ("[^]:80", "not an IPv6 address"),
        ("[^1:2:3]", "not an IPv6 address"),
        ("[e^xample.com]:80", strange),
        ("[fe80::1^%eth0]", zone),
        ("fe80::1^%eth0", zone),
        ("::^g", strange),
        ("^1:2:3", "not an IPv6 address"),
        ("^1:2:3:4:5:6:7:8:9", "not an IPv6 address"),
        ("1:2:3^/64", "what is before this is not an IPv6 address"),
        ("^:::", "not an IPv6 address"),
    ] {
        fails(marked, message);
    }
}

#[test]
fn ports() {
    for (marked, message) in [
        ("example.com:^", "a port is missing"),
        (":^", "a port is missing"),
        (":^-", "a port is missing"),
        (":^-80", "a port is missing"),
        (":80-^", "a port is missing"),
        (":^65536", "a port is at most 65535"),
        (":^99999999999999999999", "a port is at most 65535"),
        (":80-^65536", "a port is at most 65535"),
        (":90-^80", "the last port is below the first"),
        ("example.com:^http", "a port is a number"),
        ("example.com:8080^x", "a port is a number"),
        ("example.com:80^:90", "a port is a number"),
        ("example.com:80^/tcp", "a port is a number"),
        (":80^,443", "a port is a number"),
        (":^+80", "a port is a number"),
        ("[::1]:^x", "a port is a number"),
        (":80-90^-99", "a port is a number"),
        (":^*-80", "a port is a number"),
    ] {
        fails(marked, message);
    }
}

#[test]
fn other_targets() {
    let functions = "unknown function; there are gethostname, getprotobyname, getservbyname, \
                     getservbyport, if_indextoname, if_nameindex, if_nametoindex, sethostname";
    let path = "a path has no '*'; one that ends in '/' is for all below a directory";
    let option = "not an option that needs a rule; others are LEVEL:NUMBER";
    for (marked, message) in [
        ("unix:^", "a path is missing"),
        ("unix:/run/^*", path),
        ("unix:/r^*n/a", path),
        ("unix:@^", "a name is missing"),
        ("unix:@a^*b", "in a name '*' stands at the end only"),
        ("unix:@^**", "in a name '*' stands at the end only"),
        ("vsock:^", "a CID is missing"),
        ("vsock:^host", "a CID is a number"),
        ("vsock:^4294967296", "a CID is at most 4294967295"),
        ("vsock:2:^", "a port is missing"),
        ("vsock:2:^4294967296", "a port is at most 4294967295"),
        ("socket:^", "a family is missing"),
        ("socket:^netlnk", "unknown family; it can be a number"),
        ("socket:16^x", "a family is a number"),
        ("socket:^65536", "a family is at most 65535"),
        ("option:^", "an option is missing"),
        ("option:^SO_MRAK", option),
        ("option:^SO_REUSEADDR", option),
        ("option:^so_mark", option),
        ("option:1:^", "an option is missing"),
        ("option:^:1", "a level is missing"),
        ("option:1:^2147483648", "an option is at most 2147483647"),
        ("option:^SOL_SOCKET:1", "a level is a number"),
        ("system:^", functions),
        ("system:^sethostnam", functions),
        ("descriptor:^", "a descriptor is missing"),
        ("descriptor:^-1", "a descriptor is a number"),
        (
            "descriptor:^2147483648",
            "a descriptor is at most 2147483647",
        ),
        ("descriptor:3^:4", "a descriptor is a number"),
    ] {
        fails(marked, message);
    }
    fails(
        &format!("unix:^{}", "x".repeat(108)),
        "a path has at most 107 bytes",
    );
    fails(
        &format!("unix:^/{}", "x".repeat(300)),
        "a path has at most 107 bytes",
    );
    fails(
        &format!("unix:@^{}*", "x".repeat(108)),
        "a name has at most 107 bytes",
    );
    rule(&format!("unix:/a/../{}", "x".repeat(106)));
}

#[test]
fn the_caret_counts_characters() {
    // Two bytes each, one column each.
    fails(
        "connect=unix:/éé^*",
        "a path has no '*'; one that ends in '/' is for all below a directory",
    );
    let error = "a\nb\0".parse::<Rule>().unwrap_err();
    assert_eq!(
        error.render(),
        "a rule has no control characters\n  a\u{fffd}b\u{fffd}\n   ^"
    );
    let error = "unix:/a\0b".parse::<Rule>().unwrap_err();
    assert_eq!(error.position(), 7);
}

#[test]
fn an_error_is_one_line() {
    for (text, line) in [
        ("", "the rule is empty, at the end of ''"),
        (
            "exa mple.com",
            "a host name has no such character, at ' mple.com' in 'exa mple.com'",
        ),
        (
            "example.com:",
            "a port is missing, at the end of 'example.com:'",
        ),
        (
            "listen=a",
            "unknown operation; there are connect, bind, send and resolve in 'listen=a'",
        ),
        (
            "a\nb",
            "a rule has no control characters, at '\\nb' in 'a\\nb'",
        ),
    ] {
        assert_eq!(text.parse::<Rule>().unwrap_err().to_string(), line);
    }
    let long = "é\n".repeat(100_000).parse::<Rule>().unwrap_err();
    assert!(long.to_string().len() < 2000);
}
