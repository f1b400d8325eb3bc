//! Errors in the text of a rule, and their places.

use super::cursor::ParseError;
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
