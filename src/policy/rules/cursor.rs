//! Parts of a rule while it is read, and their places in it.

/// A [`RuleError`](super::RuleError) that does not yet know the whole text.
#[derive(Debug)]
pub(super) struct ParseError {
    pub(super) at: usize,
    pub(super) message: String,
}

/// Result of reading a part of a rule.
pub(super) type Parsed<T> = Result<T, ParseError>;

/// A part of a rule, and the byte index at which it begins.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    at: usize,
}

impl<'a> Part<'a> {
    pub(super) fn whole(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns the parts before and after the first `separator`.
    pub(super) fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(separator)?;
        let at = self.at + before.len() + separator.len_utf8();
        Some((
            Self {
                text: before,
                ..self
            },
            Self { text: after, at },
        ))
    }

    /// Returns the part after `prefix`, if this part begins with it.
    pub(super) fn strip_prefix(self, prefix: &str) -> Option<Self> {
        let text = self.text.strip_prefix(prefix)?;
        let at = self.at + prefix.len();
        Some(Self { text, at })
    }

    /// Returns the part before `suffix`, if this part ends with it.
    pub(super) fn strip_suffix(self, suffix: char) -> Option<Self> {
        let text = self.text.strip_suffix(suffix)?;
        Some(Self { text, ..self })
    }

    /// Makes an error at the start of this part.
    pub(super) fn error(self, message: impl Into<String>) -> ParseError {
        self.error_at(0, message)
    }

    /// Makes an error at a byte of this part.
    pub(super) fn error_at(self, offset: usize, message: impl Into<String>) -> ParseError {
        ParseError {
            at: self.at + offset,
            message: message.into(),
        }
    }

    /// Reads a decimal number up to `highest`; `what` names it in the message, with an
    /// article.
    pub(super) fn number(self, what: &str, highest: u32) -> Parsed<u32> {
        if self.text.is_empty() {
            return Err(self.error(format!("{what} is missing")));
        }
        if let Some(at) = self.text.find(|c: char| !c.is_ascii_digit()) {
            return Err(self.error_at(at, format!("{what} is a number")));
        }
        match self.text.parse() {
            Ok(number) if number <= highest => Ok(number),
            _ => Err(self.error(format!("{what} is at most {highest}"))),
        }
    }
}
