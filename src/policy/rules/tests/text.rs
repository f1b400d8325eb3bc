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
            "all",
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
    // Only the first line can say what a list starts from.
    let list: Rules = "a.example\nallow all".parse().unwrap();
    assert_eq!(list, allowing(&["a.example", "all"]));
    for (text, wrong) in [
        ("a.example,,b", ""),
        ("a.example\ndeny :x", ":x"),
        ("allow ", ""),
    ] {
        assert_eq!(text.parse::<Rules>().unwrap_err().text(), wrong, "{text:?}");
    }
}
