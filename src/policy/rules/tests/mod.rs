//! Rule lists against what scripts ask for; each file's own parts are tested
//! beside them.

mod builder;
mod errors;
mod grammar;
mod hosts;
mod kinds;
mod lists;
mod local;
mod refusals;
mod text;
mod unspecified;

use super::{Rule, Rules};
use crate::policy::{Operation, Policy, Target};
use crate::sockaddr::SockAddr;
use std::net::SocketAddr;

use Operation::{Bind, CallSystem, Connect, CreateSocket, Resolve, Send, UseDescriptor, UseOption};

fn rule(text: &str) -> Rule {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn allowing(rules: &[&str]) -> Rules {
    rules.iter().fold(Rules::deny_all(), |rules, text| {
        rules.allow_rule(rule(text))
    })
}

fn denying(rules: &[&str]) -> Rules {
    rules.iter().fold(Rules::allow_all(), |rules, text| {
        rules.deny_rule(rule(text))
    })
}

/// Reads `10.0.0.1:80` or `[::1]:80`.
fn inet(text: &str) -> SockAddr {
    text.parse::<SocketAddr>().unwrap().into()
}

/// Makes an address of `family` with these bytes after it.
fn raw(family: u16, bytes: &[u8]) -> SockAddr {
    SockAddr::from_bytes(&[&family.to_ne_bytes(), bytes].concat()).unwrap()
}

fn unix(path: &[u8]) -> SockAddr {
    raw(1, path)
}

fn vsock(cid: u32, port: u32) -> SockAddr {
    let bytes = [
        &[0, 0][..],
        &port.to_ne_bytes(),
        &cid.to_ne_bytes(),
        &[0; 4],
    ];
    raw(40, &bytes.concat())
}

fn asks(rules: &Rules, operation: Operation, target: Target<'_>) -> bool {
    rules.check(operation, &target).is_ok()
}

fn asks_address(rules: &Rules, operation: Operation, address: SockAddr) -> bool {
    asks(rules, operation, Target::address(address))
}

fn asks_inet(rules: &Rules, operation: Operation, address: &str) -> bool {
    asks_address(rules, operation, inet(address))
}

/// Asks about an address that a name led to.
fn asks_answer(rules: &Rules, operation: Operation, name: &str, address: &str) -> bool {
    asks(rules, operation, Target::resolved(inet(address), name))
}

/// Asks about `example.com:80`; without a port for look-ups that concern none.
fn asks_name(rules: &Rules, operation: Operation, name: &str) -> bool {
    let (host, port) = match name.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
        _ => (name, None),
    };
    asks(rules, operation, Target::name(host, port))
}

fn asks_kind(rules: &Rules, family: i32, socket_type: i32) -> bool {
    let target = Target::socket(family, socket_type, 0);
    asks(rules, CreateSocket, target)
}

fn asks_option(rules: &Rules, level: i32, name: i32) -> bool {
    asks(rules, UseOption, Target::socket_option(level, name))
}

fn refusal(rules: &Rules, operation: Operation, target: Target<'_>) -> String {
    rules.check(operation, &target).unwrap_err().to_string()
}
