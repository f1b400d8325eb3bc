//! Runs the code that the fuzz targets of `fuzz/` test, each on any bytes. The tests run them on
//! the kept corpus and on changes of it.

use crate::address;
use crate::module;
use crate::policy::{Operation, Policy, Rule, Rules, Target};
use crate::sockaddr::SockAddr;
use crate::sockaddr::inet::HostLiteral;
use crate::sys::message;
use crate::sys::netdb::numeric_host;
use rustpython_vm::Interpreter;

const OPERATIONS: [Operation; 4] = [
    Operation::Connect,
    Operation::Bind,
    Operation::Send,
    Operation::Resolve,
];

/// Asks a rule list about a target: in the text of a refusal nothing is missing,
/// and nothing that could end a line of a log.
fn ask(rules: &Rules, operation: Operation, target: &Target<'_>) -> bool {
    match rules.check(operation, target) {
        Ok(()) => true,
        Err(denied) => {
            let text = denied.reason();
            assert!(!text.contains(char::is_control), "{text:?}");
            assert!(text.len() < 4096, "{text:?}");
            false
        }
    }
}

/// Checks the grammar of rules: what is read prints as something that reads the same, and
/// evaluates any host.
pub fn rules(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let rule: Rule = match text.parse() {
        Ok(rule) => rule,
        Err(error) => {
            let (line, rendered) = (error.to_string(), error.render());
            assert!(!line.contains(char::is_control) && rendered.lines().count() == 3);
            return;
        }
    };
    let printed = rule.to_string();
    assert_eq!(printed.parse().as_ref(), Ok(&rule), "{text:?} {printed:?}");
    let allow = Rules::deny_all().allow_rule(rule.clone());
    let both = allow.clone().deny_rule(rule);
    for host in ["a.example", "127.0.0.1", "::1", text] {
        let target = Target::name(host, Some(80));
        for operation in OPERATIONS {
            // A rule that denies takes away, and gives nothing.
            assert!(ask(&allow, operation, &target) || !ask(&both, operation, &target));
        }
    }
}

/// Hosts that are addresses: those of the C library, and no others.
pub fn hosts(data: &[u8]) {
    if data.contains(&0) || data.is_empty() {
        return;
    }
    let own = HostLiteral::parse(data);
    match numeric_host(data) {
        Some(ip) => assert_eq!(own.map(|own| own.ip), Some(ip), "{data:?}"),
        // A zone that there is not is no address of the C library's.
        None => assert!(own.is_none_or(|own| own.zone.is_some()), "{data:?}"),
    }
}

/// Checks ancillary data as the kernel writes it, or does not.
pub fn ancillary(data: &[u8]) {
    let (items, malformed) = message::control_messages(data);
    let mut bytes = 0;
    for item in &items {
        bytes += item.data.len();
        assert!(message::rights(item).count() * 4 <= item.data.len());
        assert!(message::descriptors(item).all(|fd| fd >= 0));
    }
    assert!(bytes <= data.len());
    if malformed {
        return;
    }
    let mut again = Vec::new();
    for item in &items {
        assert!(message::push_control(
            &mut again,
            item.level,
            item.cmsg_type,
            item.data
        ));
    }
    assert_eq!(message::control_messages(&again), (items, false));
}

thread_local! {
    static LEAN: Interpreter = {
        let builder = Interpreter::builder(Default::default());
        let definitions = module::definitions(&builder.ctx);
        builder.add_native_modules(&definitions).build()
    };
}

/// Checks socket addresses of any family, as the kernel writes them. The first byte is
/// the protocol of the socket.
pub fn addresses(data: &[u8]) {
    let Some((protocol, bytes)) = data.split_first() else {
        return;
    };
    let Some(address) = SockAddr::from_bytes(bytes) else {
        assert!(bytes.len() > SockAddr::CAPACITY);
        return;
    };
    let target = Target::resolved(address, "a.example");
    for operation in OPERATIONS {
        assert!(!ask(&Rules::deny_all(), operation, &target));
        assert!(ask(&Rules::allow_all(), operation, &target));
        ask(&Rules::loopback_only(), operation, &target);
    }
    LEAN.with(|interpreter| {
        interpreter.enter(|vm| {
            // An exception is fine, as for a name that is not UTF-8.
            let _ = address::to_python(vm, &address, i32::from(*protocol));
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Runs a target on the corpus, and on changes of it.
    fn run(name: &str, target: fn(&[u8])) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(name);
        // The package has no folder fuzz/, and so no corpus.
        if !Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/Cargo.toml")
            .exists()
        {
            return;
        }
        let entries = std::fs::read_dir(&directory).unwrap();
        let mut corpus: Vec<Vec<u8>> = entries
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .collect();
        corpus.sort();
        assert!(corpus.len() >= 4, "{}", directory.display());
        corpus.iter().for_each(|input| target(input));
        let rounds = std::env::var("RUSTPYTHON_SOCKET_FUZZ_ROUNDS");
        let rounds = rounds.map_or(3000, |rounds| rounds.parse().unwrap());
        let mut state = 20261128u64;
        let mut random = |n: usize| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        for _ in 0..rounds {
            let mut input = corpus[random(corpus.len())].clone();
            for _ in 0..=random(4) {
                let at = random(input.len() + 1);
                match random(5) {
                    0 => input.insert(at, random(256) as u8),
                    1 if at < input.len() => drop(input.remove(at)),
                    2 if at < input.len() => input[at] ^= 1 << random(8),
                    3 => input.truncate(at),
                    _ => {
                        let other = &corpus[random(corpus.len())];
                        let from = random(other.len() + 1);
                        let part = other[from..].to_vec();
                        input.splice(at..at, part);
                    }
                }
            }
            target(&input);
        }
    }

    #[test]
    fn rule_grammar() {
        run("rules", rules);
    }

    #[test]
    fn host_literals() {
        run("hosts", hosts);
    }

    #[test]
    fn ancillary_data() {
        run("ancillary", ancillary);
    }

    #[test]
    fn socket_addresses() {
        run("addresses", addresses);
    }
}
