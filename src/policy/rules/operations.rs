//! The operations that a rule is for.

use crate::policy::Operation;
use std::fmt;

/// Effect of a rule. It decides which operations a rule without any covers, and whether
/// a request without a port matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// A set of the operations that can be written in a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Operations(u8);

/// In the order in which they are printed.
const WRITTEN: [Operation; 4] = [
    Operation::Connect,
    Operation::Bind,
    Operation::Send,
    Operation::Resolve,
];

impl Operations {
    pub(super) const CONNECT: Self = Self(1);
    pub(super) const BIND: Self = Self(2);
    pub(super) const SEND: Self = Self(4);
    pub(super) const RESOLVE: Self = Self(8);

    /// Returns the set of one operation; empty for an operation that cannot be written in a
    /// rule.
    pub(super) const fn of(operation: Operation) -> Self {
        match operation {
            Operation::Connect => Self::CONNECT,
            Operation::Bind => Self::BIND,
            Operation::Send => Self::SEND,
            Operation::Resolve => Self::RESOLVE,
            Operation::CreateSocket
            | Operation::UseOption
            | Operation::UseDescriptor
            | Operation::CallSystem => Self(0),
        }
    }

    /// Returns the set of the operation with this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let mut written = WRITTEN.into_iter();
        written
            .find(|operation| operation.word() == name)
            .map(Self::of)
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns true if both sets have some operation.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Writes the operations as they stand in a rule, before the `=`.
impl fmt::Display for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut plus = "";
        for operation in WRITTEN {
            if self.meets(Self::of(operation)) {
                write!(f, "{plus}{operation}")?;
                plus = "+";
            }
        }
        Ok(())
    }
}
