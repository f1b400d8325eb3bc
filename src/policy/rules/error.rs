//! Errors in the text of a rule, and their places.

use crate::policy::Quoted;
use std::fmt;

/// Error in the text of a rule, with its position.
///
/// Printed, an error is one line; [`render`](Self::render) points at the character.
///
/// ```
/// use rustpython_socket::Rules;
///
/// let error = Rules::deny_all().allow("connect=10.0.0.0/33").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "a prefix of IPv4 has at most 32 bits, at '33' in 'connect=10.0.0.0/33'"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    text: String,
    position: usize,
    message: String,
}

impl RuleError {
    pub(super) fn new(text: &str, error: ParseError) -> Self {
        Self {
            text: text.to_owned(),
            position: error.at.min(text.len()),
            message: error.message,
        }
    }

    /// Returns the text that could not be read as a rule.
    ///
    /// ```
    /// # use rustpython_socket::Rule;
    /// let error = "list=:80".parse::<Rule>().unwrap_err();
    /// assert_eq!(error.text(), "list=:80");
    /// ```
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the position of the error, as a byte index of the text; the text's length if
    /// something is missing at the end.
    ///
    /// ```
    /// # use rustpython_socket::Rule;
    /// let error = "example.com:".parse::<Rule>().unwrap_err();
    /// assert_eq!(error.position(), 12);
    /// ```
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns the message, without the text and the position.
    ///
    /// ```
    /// # use rustpython_socket::Rule;
    /// let error = "example.com:".parse::<Rule>().unwrap_err();
    /// assert_eq!(error.message(), "a port is missing");
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns three lines for a terminal: the message, the text, and a caret below the
    /// character.
    ///
    /// ```
    /// # use rustpython_socket::Rule;
    /// let error = "example.com:http".parse::<Rule>().unwrap_err();
    /// assert_eq!(
    ///     error.render(),
    ///     "a port is a number\n  example.com:http\n              ^"
    /// );
    /// ```
    #[must_use]
    pub fn render(&self) -> String {
        // Each character must take one column, otherwise the caret would be misplaced.
        let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let text: String = self.text.chars().map(shown).collect();
        let before = self.text.get(..self.position).unwrap_or_default();
        let column = before.chars().count();
        format!("{}\n  {text}\n  {:column$}^", self.message, "")
    }
}

/// Writes the message and the text on one line.
impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.text.get(self.position..) {
            None | Some("") => {
                return write!(
                    f,
                    "{}, at the end of '{}'",
                    self.message,
                    Quoted(&self.text)
                );
            }
            Some(place) => place,
        };
        write!(f, "{}", self.message)?;
        if self.position > 0 {
            write!(f, ", at '{}'", Quoted(place))?;
        }
        write!(f, " in '{}'", Quoted(&self.text))
    }
}

impl std::error::Error for RuleError {}

/// A [`RuleError`] that does not yet know the whole text.
#[derive(Debug)]
pub(super) struct ParseError {
    at: usize,
    message: String,
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
