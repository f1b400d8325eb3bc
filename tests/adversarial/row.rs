//! One attempt of a script, with its control.

/// Outcome that an attempt must have. That nothing arrives is checked in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// PermissionError with the policy's own words.
    Refused,
    /// The one that the script itself asserts, and the policy has refused something.
    Quiet,
    /// The one that the script itself asserts.
    Asserted,
}

/// Under which rules an attempt has to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under {
    /// Under `deny_all`, `allow_all` and `loopback_only`, each with rules.
    All,
    /// Under `deny_all` alone: others allow what is not named.
    Deny,
}

/// An attempt, and the same call where it is allowed.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub end: End,
    pub under: Under,
    /// Statements that try the forbidden thing.
    pub attempt: String,
    /// The same on an allowed target, with the rules in `allow`. The system may
    /// still want a privilege for it; the policy must not object. An attempt for which
    /// there is no allowed target has none.
    pub control: Option<String>,
    pub allow: &'static [&'static str],
}

impl Row {
    pub fn new(name: impl Into<String>, attempt: &str, control: &str) -> Self {
        Self {
            control: Some(control.to_owned()),
            ..Self::alone(name, attempt)
        }
    }

    /// An attempt without a control.
    pub fn alone(name: impl Into<String>, attempt: &str) -> Self {
        Self {
            name: name.into(),
            end: End::Refused,
            under: Under::All,
            attempt: attempt.to_owned(),
            control: None,
            allow: &[],
        }
    }

    /// The same statements with T, T6, U, U6, STREAM, DATAGRAM, ASTREAM and
    /// ADATAGRAM: forbidden ones in the attempt, allowed ones in the control.
    pub fn both(name: impl Into<String>, statements: &str) -> Self {
        Self::new(name, statements, statements)
    }

    pub fn end(self, end: End) -> Self {
        Self { end, ..self }
    }

    pub fn deny_only(self) -> Self {
        Self {
            under: Under::Deny,
            ..self
        }
    }

    pub fn allow(self, allow: &'static [&'static str]) -> Self {
        Self { allow, ..self }
    }
}
