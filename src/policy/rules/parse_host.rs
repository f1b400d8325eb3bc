//! The hosts and ports of a rule.

use super::cursor::{ParseError, Parsed, Part};
use super::parse::is_keyword;
use super::pattern::{HostPattern, Pattern};
use super::ports::Ports;
use crate::policy::LONGEST_NAME;
use crate::sockaddr::inet::{HostLiteral, LONGEST_LABEL};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const HIGHEST_PORT: u32 = 0xffff;

/// The length of the prefix of IPv4-mapped addresses.
const MAPPED_BITS: u8 = 96;

/// Reads an IPv6 address or subnet without brackets; `None` if the target does not
/// begin like one.
pub(super) fn bare_ipv6(target: Part<'_>) -> Option<Parsed<HostPattern>> {
    let address = target.text.split('/').next()?;
    address.parse::<Ipv6Addr>().ok().map(|_| ipv6(target))
}

/// Reads any target that begins with no keyword and is not [`bare_ipv6`].
pub(super) fn host_and_ports(target: Part<'_>) -> Parsed<Pattern> {
    if let Some((scheme, _)) = target.text.split_once("://") {
        let message = "a rule has no scheme, only a host and ports";
        return Err(target.error_at(scheme.len(), message));
    }
    if let Some(bracketed) = target.strip_prefix("[") {
        let Some((address, rest)) = bracketed.split_once(']') else {
            return Err(target.error("this bracket is not closed"));
        };
        let host = ipv6(address)?;
        return match rest.strip_prefix(":") {
            _ if rest.text.is_empty() => Ok(Pattern::Host(host, Ports::ANY)),
            Some(numbers) => Ok(Pattern::Host(host, ports(numbers, HIGHEST_PORT)?)),
            None => Err(rest.error("only a colon and ports can follow")),
        };
    }
    let Some((name, numbers)) = target.split_once(':') else {
        return Ok(Pattern::Host(host(target)?, Ports::ANY));
    };
    // A final dot does not matter in a name, and is not printed.
    let bare = name.text.strip_suffix('.').unwrap_or(name.text);
    if is_keyword(bare) {
        // A host with that name would print as another kind of target.
        return Err(
            name.error("this word is written in lower case; a host of that name has no ports")
        );
    }
    if looks_like_ipv6(name.text, numbers.text) {
        return Err(ipv6_error(target));
    }
    let host = match name.text {
        "" => HostPattern::Any,
        _ => host(name)?,
    };
    Ok(Pattern::Host(host, ports(numbers, HIGHEST_PORT)?))
}

/// Returns true if the text before and after the first colon looks like IPv6.
fn looks_like_ipv6(first: &str, rest: &str) -> bool {
    rest.contains(':') && first.len() <= 4 && first.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Reads the ports after the colon.
pub(super) fn ports(numbers: Part<'_>, highest: u32) -> Parsed<Ports> {
    if numbers.text == "*" {
        return Ok(Ports::ANY);
    }
    let Some((first, last)) = numbers.split_once('-') else {
        let port = numbers.number("a port", highest)?;
        return Ok(Ports::range(port, port, highest));
    };
    let low = first.number("a port", highest)?;
    let high = last.number("a port", highest)?;
    if low > high {
        return Err(last.error("the last port is below the first"));
    }
    Ok(Ports::range(low, high, highest))
}

/// Reads `*`, a name, or an IPv4 address or subnet.
fn host(host: Part<'_>) -> Parsed<HostPattern> {
    if host.text == "*" {
        return Ok(HostPattern::Any);
    }
    if let Some((address, bits)) = host.split_once('/') {
        let address = ipv4(address)?;
        let bits = prefix(bits, "IPv4", 32)?;
        let net = Ipv4Net::new(address, bits).map_err(|error| host.error(error.to_string()))?;
        if net.addr() != net.network() {
            return Err(bits_behind(host, net.trunc().into()));
        }
        return Ok(HostPattern::Net(net.into()));
    }
    if let Ok(address) = host.text.parse::<Ipv4Addr>() {
        return Ok(HostPattern::Net(Ipv4Net::from(address).into()));
    }
    match host.strip_prefix("*.") {
        Some(suffix) => Ok(HostPattern::Suffix(name(suffix)?)),
        None => Ok(HostPattern::Name(name(host)?)),
    }
}

/// Returns the IPv4 address that a host means in any spelling.
fn literal4(host: &str) -> Option<Ipv4Addr> {
    match HostLiteral::parse(host.as_bytes())?.ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

fn ipv4(address: Part<'_>) -> Parsed<Ipv4Addr> {
    let wrong = || match literal4(address.text) {
        Some(ip) => other_spelling(address, ip),
        None => address.error("a subnet begins with an address"),
    };
    address.text.parse().map_err(|_| wrong())
}

/// Makes the error for another spelling of an address. Rules have one spelling, so that
/// readers see what they mean.
fn other_spelling(host: Part<'_>, ip: Ipv4Addr) -> ParseError {
    host.error(format!(
        "write this address as {ip}, or a port with a colon before it"
    ))
}

fn prefix(bits: Part<'_>, version: &str, highest: u8) -> Parsed<u8> {
    let number = bits.number("a prefix", u32::MAX)?;
    match u8::try_from(number) {
        Ok(number) if number <= highest => Ok(number),
        _ => Err(bits.error(format!("a prefix of {version} has at most {highest} bits"))),
    }
}

fn bits_behind(host: Part<'_>, net: IpNet) -> ParseError {
    host.error(format!(
        "this address has bits behind the prefix; the subnet is {net}"
    ))
}

/// Reads an IPv6 address or subnet. A subnet of IPv4-mapped addresses becomes an IPv4
/// subnet, because the kernel uses IPv4 for them.
fn ipv6(text: Part<'_>) -> Parsed<HostPattern> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let Ok(ip) = address.text.parse::<Ipv6Addr>() else {
        return Err(ipv6_error(address));
    };
    let bits = match bits {
        Some(bits) => prefix(bits, "IPv6", 128)?,
        None => 128,
    };
    let net = Ipv6Net::new(ip, bits).map_err(|error| text.error(error.to_string()))?;
    if net.addr() != net.network() {
        return Err(bits_behind(text, net.trunc().into()));
    }
    if let Some(ip) = ip.to_ipv4_mapped()
        && let Some(bits) = bits.checked_sub(MAPPED_BITS)
        && let Ok(net) = Ipv4Net::new(ip, bits)
    {
        return Ok(HostPattern::Net(net.into()));
    }
    Ok(HostPattern::Net(net.into()))
}

/// Makes an error at the first character that IPv6 does not have, if there is one.
fn ipv6_error(address: Part<'_>) -> ParseError {
    let strange = |c: char| !(c.is_ascii_hexdigit() || matches!(c, ':' | '.'));
    match address.text.char_indices().find(|(_, c)| strange(*c)) {
        Some((at, '%')) => address.error_at(at, "a rule has no zone: it is for every interface"),
        Some((at, '/')) => address.error_at(at, "what is before this is not an IPv6 address"),
        Some((at, _)) => address.error_at(at, "an IPv6 address has no such character"),
        None => address.error("not an IPv6 address"),
    }
}

/// Words of rule lists (see `text`). A host of one of these names would mostly be an error
/// in a list, and would leave open what the list was meant to close.
const WORDS: [&str; 3] = ["allow", "deny", "all"];

/// Reads a name; returns it in lower case, without a final dot.
fn name(name: Part<'_>) -> Parsed<Box<str>> {
    if let Some(at) = name.text.find(|c: char| !is_of_name(c)) {
        let message = match name.text.get(at..).and_then(|rest| rest.chars().next()) {
            Some('*') => "'*' stands alone or begins '*.suffix'",
            Some('=') => "the operation is given already",
            Some(c) if !c.is_ascii() => "international names are written as xn--...",
            _ => "a host name has no such character",
        };
        return Err(name.error_at(at, message));
    }
    let text = name.text.strip_suffix('.').unwrap_or(name.text);
    if let Some(word) = WORDS.iter().find(|word| text.eq_ignore_ascii_case(word)) {
        return Err(name.error(format!("'{word}' is a word of rule lists, not a host")));
    }
    if let Some(ip) = literal4(text) {
        return Err(other_spelling(name, ip));
    }
    let mut at = 0;
    for label in text.split('.') {
        if label.is_empty() {
            return Err(name.error_at(at, "a label of the name is missing"));
        }
        if label.len() > LONGEST_LABEL {
            let message = format!("a label has at most {LONGEST_LABEL} characters");
            return Err(name.error_at(at, message));
        }
        at += label.len() + 1;
    }
    if text.len() > LONGEST_NAME {
        return Err(name.error(format!("a name has at most {LONGEST_NAME} characters")));
    }
    // No domain ends in a number, so the text was meant to be an address.
    let last = text.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(name.error("neither a name nor an address"));
    }
    Ok(text.to_ascii_lowercase().into())
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}
