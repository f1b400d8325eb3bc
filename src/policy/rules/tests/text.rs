//! Lists of rules as text.

use super::*;

#[test]
fn what_is_printed_reads_as_the_same_list() {
    for base in [
        Rules::allow_all(),
        Rules::deny_all(),
        Rules::loopback_only(),
    ] {
        let list = [
            "all.example",
            "loopback",
            "a.example:80",
            "unix:/run/a,b ",
            "socket:*",
        ]
        .into_iter()
        .fold(base.clone(), |list, text| {
            list.allow_rule(rule(text)).deny_rule(rule(text))
        });
        assert_eq!(list.to_string().parse(), Ok(list.clone()), "{list}");
        assert_eq!(base.to_string().parse(), Ok(base));
    }
}

#[test]
fn a_command_line_is_a_list_that_allows() {
    let list: Rules = " a.example , :80,connect=10.0.0.0/8 ".parse().unwrap();
    assert_eq!(list, allowing(&["a.example", ":80", "connect=10.0.0.0/8"]));
    assert_eq!("".parse(), Ok(Rules::deny_all()));
    assert_eq!("\n# a.example\n\n".parse(), Ok(Rules::deny_all()));
    for (text, wrong) in [
        // Only the first line can say what a list starts from.
        ("a.example\nallow all", "allow all"),
        ("allow all\ndeny all ", "deny all "),
        ("allow loopback only\n  deny all", "deny all"),
        ("deny all\n\nallow loopback only", "allow loopback only"),
        // These would be hosts.
        ("allow all\ndeny:25", "deny:25"),
        ("allow all\ndeny", "deny"),
        ("allow all\ndeny ALL.:25", "ALL.:25"),
        ("allow=10.0.0.1", "allow=10.0.0.1"),
        ("allow", "allow"),
        ("a.example,,b", ""),
        ("a.example\ndeny :x", ":x"),
        ("allow ", ""),
    ] {
        assert_eq!(text.parse::<Rules>().unwrap_err().text(), wrong, "{text:?}");
    }
}
