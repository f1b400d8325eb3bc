//! Host names that are not ASCII (RFC 3490), without Python's `encodings`.
//!
//! Names that both accept are encoded as by Python's codec. UTS #46 decides which
//! labels are valid. It differs from the codec in rare cases: it refuses a leading
//! combining mark and characters that would become a dot, and it has newer rules for
//! right-to-left labels.

use crate::sockaddr::inet::LONGEST_LABEL;
use ::idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use rustpython_vm::builtins::PyStr;
use rustpython_vm::common::wtf8::Wtf8;
use rustpython_vm::{Py, PyResult, VirtualMachine};

/// Encodes like `text.encode("idna")`, with the codec's UnicodeEncodeError. For
/// functions that encode every str, ASCII or not. The result contains the NULs of the
/// text, if any.
pub(crate) fn encode(vm: &VirtualMachine, text: &Py<PyStr>) -> PyResult<String> {
    to_ascii(text.as_wtf8()).map_err(|malformed| {
        vm.new_unicode_encode_error(
            vm.ctx.new_str("idna"),
            text.to_owned(),
            malformed.start,
            malformed.end,
            vm.ctx.new_str(malformed.reason),
        )
    })
}

/// Error: characters `start..end` of a name are not a valid label.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    start: usize,
    end: usize,
    reason: String,
}

/// Converts a host name to its ASCII form, label by label.
pub(super) fn to_ascii(text: &Wtf8) -> Result<String, Malformed> {
    let mut ascii = String::with_capacity(text.len());
    let mut label = String::new();
    let mut start = 0;
    let mut at = 0;
    for point in text.code_points() {
        let Some(c) = point.to_char() else {
            return Err(Malformed {
                start: at,
                end: at + 1,
                reason: format!("Invalid character '\\u{:04x}'", point.to_u32()),
            });
        };
        at += 1;
        // The dots of RFC 3490, section 3.1.
        if matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}') {
            push_label(&mut ascii, &label, start)?;
            ascii.push('.');
            label.clear();
            start = at;
        } else {
            label.push(c);
        }
    }
    // An empty label after the last dot is the root of DNS.
    if start < at {
        push_label(&mut ascii, &label, start)?;
    }
    Ok(ascii)
}

fn push_label(ascii: &mut String, label: &str, start: usize) -> Result<(), Malformed> {
    let malformed = |len, reason: &str| Malformed {
        start,
        end: start + len,
        reason: reason.to_owned(),
    };
    let before = ascii.len();
    if label.is_ascii() {
        ascii.push_str(label);
    } else {
        let prefix = label.chars().take(4).collect::<String>();
        if prefix.eq_ignore_ascii_case("xn--") {
            return Err(malformed(4, "Label starts with ACE prefix"));
        }
        let mapped = as_in_2003(label);
        let encoded = Uts46::new().to_ascii(
            mapped.as_bytes(),
            AsciiDenyList::EMPTY,
            Hyphens::Allow,
            DnsLength::Ignore,
        );
        match encoded {
            Ok(encoded) => ascii.push_str(&encoded),
            Err(_) => return Err(malformed(label.chars().count(), "Invalid label")),
        }
    }
    match ascii.len() - before {
        0 => Err(malformed(1, "label empty")),
        1..=LONGEST_LABEL => Ok(()),
        _ => Err(malformed(label.chars().count(), "label too long")),
    }
}

/// Maps the characters that the later standard encodes differently as in the standard
/// of Python's codec (UTS #46, section 7).
fn as_in_2003(label: &str) -> String {
    let mut mapped = String::with_capacity(label.len());
    for c in label.chars() {
        match c {
            'ß' | 'ẞ' => mapped.push_str("ss"),
            'ς' => mapped.push('σ'),
            '\u{200c}' | '\u{200d}' => {}
            c => mapped.push(c),
        }
    }
    mapped
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn names_are_encoded_as_by_cpython() {
        for (name, ascii) in [
            ("", ""),
            ("plain.example", "plain.example"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.Example.", "xn--bcher-kva.Example."),
            ("faß.de", "fass.de"),
            ("βόλος.com", "xn--nxasmq6b.com"),
            ("１２７。0．0｡1", "127.0.0.1"),
            ("💩.la", "xn--ls8h.la"),
            ("ü_.-ü", "xn--_-dha.xn----eha"),
            ("ü.xn--zzzz99999", "xn--tda.xn--zzzz99999"),
            ("ü\0", "xn--\0-dha"),
        ] {
            assert_eq!(to_ascii(name.as_ref()).as_deref(), Ok(ascii), "{name}");
        }
        // Left-to-right and right-to-left in one label.
        assert!(to_ascii("nامه".as_ref()).is_err());
    }

    #[test]
    fn malformed_names_say_where() {
        run(|vm| {
            for (name, text) in [
                (
                    "'a..b'",
                    "'idna' codec can't encode character '\\x2e' in position 2: label empty",
                ),
                (
                    "'b\\xfccher..x'",
                    "'idna' codec can't encode character '\\x2e' in position 7: label empty",
                ),
                (
                    "'.'",
                    "'idna' codec can't encode character '\\x2e' in position 0: label empty",
                ),
                (
                    "'\\u3002'",
                    "'idna' codec can't encode character '\\u3002' in position 0: label empty",
                ),
                (
                    "'\\xad'",
                    "'idna' codec can't encode character '\\xad' in position 0: label empty",
                ),
                (
                    "'\\u200d'",
                    "'idna' codec can't encode character '\\u200d' in position 0: label empty",
                ),
                (
                    "'a' * 64",
                    "'idna' codec can't encode characters in position 0-63: label too long",
                ),
                (
                    "'b.' + '\\xfc' * 70",
                    "'idna' codec can't encode characters in position 2-71: label too long",
                ),
                (
                    "'\\xfc' * 3000",
                    "'idna' codec can't encode characters in position 0-2999: ",
                ),
                (
                    "'\\xfc\\udc80'",
                    "'idna' codec can't encode character '\\udc80' in position 1: Invalid character '\\udc80'",
                ),
                (
                    "'a.XN--\\xfc'",
                    "'idna' codec can't encode characters in position 2-5: Label starts with ACE prefix",
                ),
            ] {
                let name = eval(vm, name).downcast::<PyStr>().unwrap();
                let error = describe(vm, encode(vm, &name).unwrap_err().into());
                assert!(
                    error.starts_with(&format!("UnicodeEncodeError: {text}")),
                    "{error}"
                );
            }
        });
    }
}
