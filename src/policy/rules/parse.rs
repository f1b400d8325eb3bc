//! The grammar of [`Rule`].

use super::cursor::{Parsed, Part};
use super::families::Family;
use super::functions;
use super::operations::Operations;
use super::options::OptionPattern;
use super::parse_host::{self, ports};
use super::pattern::Pattern;
use super::ports::Ports;
use super::unix::{CleanPath, LONGEST, UnixPattern};
use super::{Rule, RuleError};

/// Reads a whole rule.
pub(super) fn rule(text: &str) -> Result<Rule, RuleError> {
    read(text, |whole| {
        // A path may have a `=` in it.
        let split = if whole.text.starts_with("unix:") {
            None
        } else {
            whole.split_once('=')
        };
        match split {
            Some((names, target)) => with_operations(Some(operations(names)?), target),
            None => with_operations(None, whole),
        }
    })
}

/// Reads the target of a rule whose operations are known.
pub(super) fn target(text: &str, operations: Operations) -> Result<Rule, RuleError> {
    read(text, |whole| with_operations(Some(operations), whole))
}

fn read(text: &str, parse: impl FnOnce(Part<'_>) -> Parsed<Rule>) -> Result<Rule, RuleError> {
    let whole = Part::whole(text);
    let parsed = match text.find(char::is_control) {
        Some(at) => Err(whole.error_at(at, "a rule has no control characters")),
        None if text.is_empty() => Err(whole.error("the rule is empty")),
        None => parse(whole),
    };
    parsed.map_err(|error| RuleError::new(text, error))
}

fn operations(names: Part<'_>) -> Parsed<Operations> {
    let mut operations = Operations::default();
    let mut rest = Some(names);
    while let Some(part) = rest {
        let (name, more) = match part.split_once('+') {
            Some((name, more)) => (name, Some(more)),
            None => (part, None),
        };
        if name.text.is_empty() {
            return Err(name.error("an operation is missing"));
        }
        let Some(operation) = Operations::named(name.text) else {
            let message = "unknown operation; there are connect, bind, send and resolve";
            return Err(name.error(message));
        };
        if operations.meets(operation) {
            return Err(name.error(format!("{} is there twice", name.text)));
        }
        operations = operations.and(operation);
        rest = more;
    }
    Ok(operations)
}

fn with_operations(operations: Option<Operations>, target: Part<'_>) -> Parsed<Rule> {
    if target.text.is_empty() {
        return Err(target.error("a target is missing"));
    }
    let pattern = pattern(target)?;
    let known = pattern.operations();
    if let Some(wrong) = operations.map(|operations| operations.without(known))
        && !wrong.is_empty()
    {
        let what = pattern.what();
        let message = if known.is_empty() {
            format!("{what} takes no operations")
        } else {
            format!("{what} has no {wrong}, only {known}")
        };
        return Err(target.error(message));
    }
    Ok(Rule {
        operations,
        pattern,
    })
}

/// Reads what comes after a keyword and its colon.
type Reader = fn(Part<'_>) -> Parsed<Pattern>;

/// Words that begin a target other than a host.
const KEYWORDS: [(&str, Reader); 6] = [
    ("unix", |path| unix(path).map(Pattern::Unix)),
    ("vsock", vsock),
    ("socket", |name| family(name).map(Pattern::Socket)),
    ("option", |name| option(name).map(Pattern::Option)),
    ("system", |name| system(name).map(Pattern::System)),
    ("descriptor", descriptor),
];

/// Tells whether a word is a keyword, in upper case or in lower case.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS
        .iter()
        .any(|(keyword, _)| word.eq_ignore_ascii_case(keyword))
}

fn pattern(target: Part<'_>) -> Parsed<Pattern> {
    // Before the keywords: `fd::1` is an address.
    if let Some(net) = parse_host::bare_ipv6(target) {
        return Ok(Pattern::Host(net?, Ports::ANY));
    }
    for (keyword, read) in KEYWORDS {
        if let Some(rest) = target.strip_prefix(keyword)
            && let Some(rest) = rest.strip_prefix(":")
        {
            return read(rest);
        }
    }
    parse_host::host_and_ports(target)
}

fn descriptor(number: Part<'_>) -> Parsed<Pattern> {
    let number = number_or_any(number, "a descriptor", i32::MAX.unsigned_abs())?;
    Ok(Pattern::Descriptor(number.map(u32::cast_signed)))
}

fn number_or_any(part: Part<'_>, what: &str, highest: u32) -> Parsed<Option<u32>> {
    match part.text {
        "*" => Ok(None),
        _ => part.number(what, highest).map(Some),
    }
}

fn unix(path: Part<'_>) -> Parsed<UnixPattern> {
    if path.text == "*" {
        return Ok(UnixPattern::Any);
    }
    if path.text.is_empty() {
        return Err(path.error("a path is missing"));
    }
    if let Some(name) = path.strip_prefix("@") {
        return abstract_name(name);
    }
    if let Some(at) = path.text.find('*') {
        let message = "a path has no '*'; one that ends in '/' is for all below a directory";
        return Err(path.error_at(at, message));
    }
    let too_long = || path.error(format!("a path has at most {LONGEST} bytes"));
    let clean = CleanPath::new(path.text.as_bytes()).ok_or_else(too_long)?;
    // Only whole components were removed, so the rest is still valid text.
    let clean = String::from_utf8_lossy(clean.as_bytes()).into_owned();
    if clean.len() > LONGEST {
        return Err(too_long());
    }
    let last = path.text.rsplit('/').next().unwrap_or_default();
    Ok(if matches!(last, "" | "." | "..") {
        UnixPattern::Directory(clean.into())
    } else {
        UnixPattern::Path(clean.into())
    })
}

fn abstract_name(name: Part<'_>) -> Parsed<UnixPattern> {
    let (stem, prefix) = match name.strip_suffix('*') {
        Some(stem) => (stem, true),
        None => (name, false),
    };
    if stem.text.is_empty() && !prefix {
        return Err(name.error("a name is missing"));
    }
    if let Some(at) = stem.text.find('*') {
        return Err(stem.error_at(at, "in a name '*' stands at the end only"));
    }
    if stem.text.len() > LONGEST {
        return Err(stem.error(format!("a name has at most {LONGEST} bytes")));
    }
    let name = stem.text.into();
    Ok(UnixPattern::Abstract { name, prefix })
}

fn vsock(address: Part<'_>) -> Parsed<Pattern> {
    let (cid, ports) = match address.split_once(':') {
        Some((cid, numbers)) => (cid, ports(numbers, u32::MAX)?),
        None => (address, Ports::ANY),
    };
    let cid = number_or_any(cid, "a CID", u32::MAX)?;
    Ok(Pattern::Vsock { cid, ports })
}

fn family(name: Part<'_>) -> Parsed<Family> {
    if let Some(family) = Family::named(name.text) {
        return Ok(family);
    }
    if !name.text.starts_with(|c: char| c.is_ascii_digit()) && !name.text.is_empty() {
        return Err(name.error("unknown family; it can be a number"));
    }
    let number = name.number("a family", u16::MAX.into())?;
    Ok(Family::Number(number.cast_signed()))
}

fn option(name: Part<'_>) -> Parsed<OptionPattern> {
    if name.text == "*" {
        return Ok(OptionPattern::Any);
    }
    if let Some((level, number)) = name.split_once(':') {
        let highest = i32::MAX.unsigned_abs();
        let level = level.number("a level", highest)?.cast_signed();
        let number = number.number("an option", highest)?.cast_signed();
        return Ok(OptionPattern::numbered(level, number));
    }
    if name.text.is_empty() {
        return Err(name.error("an option is missing"));
    }
    OptionPattern::named(name.text)
        .ok_or_else(|| name.error("not an option that needs a rule; others are LEVEL:NUMBER"))
}

fn system(name: Part<'_>) -> Parsed<Option<&'static str>> {
    if name.text == "*" {
        return Ok(None);
    }
    match functions::named(name.text) {
        Some(name) => Ok(Some(name)),
        None => {
            let known = functions::names();
            Err(name.error(format!("unknown function; there are {known}")))
        }
    }
}
