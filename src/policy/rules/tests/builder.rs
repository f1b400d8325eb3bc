//! Lists put together by methods.

use super::*;

#[test]
fn methods_take_targets_without_operations() {
    let rules = Rules::deny_all()
        .allow_connect("a:1")
        .and_then(|rules| rules.allow_bind("127.0.0.1"))
        .and_then(|rules| rules.allow_send("unix:/a=b"))
        .and_then(|rules| rules.allow_resolve("*"))
        .and_then(|rules| rules.deny_connect("vsock:2"))
        .and_then(|rules| rules.deny_bind("[::]:80"))
        .and_then(|rules| rules.deny_send("10.0.0.0/8"))
        .and_then(|rules| rules.deny_resolve("*.b"))
        .unwrap();
    assert_eq!(
        rules.to_string(),
        "deny all\nallow connect=a:1\nallow bind=127.0.0.1\nallow send=unix:/a=b\n\
         allow resolve=*\ndeny connect=vsock:2\ndeny bind=[::]:80\n\
         deny send=10.0.0.0/8\ndeny resolve=*.b"
    );
    let errors = [
        Rules::deny_all().allow_connect("connect=a"),
        Rules::deny_all().allow_connect("descriptor:1"),
        Rules::deny_all().allow_connect("socket:netlink"),
        Rules::deny_all().deny_resolve("unix:*"),
        Rules::deny_all().allow_send("3"),
    ];
    let messages = [
        "the operation is given already",
        "a descriptor takes no operations",
        "a socket takes no operations",
        "a unix socket has no resolve, only connect+bind+send",
        "write this address as 0.0.0.3, or a port with a colon before it",
    ];
    for (error, message) in errors.into_iter().zip(messages) {
        assert_eq!(error.unwrap_err().message(), message);
    }
}
