//! Rule lists as text, and collected from rules.

use super::cursor::Part;
use super::{Base, Rule, RuleError, Rules};
use std::fmt;
use std::str::FromStr;

/// The first lines of lists, and their starting points.
const BASES: [(&str, Base); 3] = [
    ("allow all", Base::Everything),
    ("deny all", Base::Nothing),
    ("allow loopback only", Base::Loopback),
];

/// Writes the starting point and the rules, one on each line.
///
/// ```
/// use rustpython_socket::Rules;
///
/// let rules = Rules::deny_all().allow("[::1]:80-80")?.deny("EXAMPLE.com")?;
/// assert_eq!(rules.to_string(), "deny all\nallow [::1]:80\ndeny example.com");
/// assert_eq!(rules.to_string().parse(), Ok(rules));
/// # Ok::<(), rustpython_socket::RuleError>(())
/// ```
impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = BASES.iter().find(|(_, base)| *base == self.base);
        f.write_str(base.map_or("", |(text, _)| text))?;
        for rule in self.allow.iter() {
            write!(f, "\nallow {rule}")?;
        }
        for rule in self.deny.iter() {
            write!(f, "\ndeny {rule}")?;
        }
        Ok(())
    }
}

/// Reads a list of rules, in the form that is printed or as a command line takes it.
///
/// - The first line may be `deny all`, `allow all` or `allow loopback only`, which the rules
///   start from; without it they start from `deny all`. These lines stand nowhere else.
/// - A line `allow RULE` or `deny RULE` is one rule.
/// - Any other line has rules that allow, with commas between them. (The path of a unix
///   socket may contain a comma; write such a rule after `allow`, where commas do not
///   separate rules.)
/// - Empty lines, and those that begin with `#`, are left out.
///
/// ```
/// use rustpython_socket::Rules;
///
/// let rules: Rules = "example.com:443, 10.0.0.0/8".parse()?;
/// assert_eq!(rules, Rules::deny_all().allow("example.com:443")?.allow("10.0.0.0/8")?);
///
/// let rules: Rules = "
/// ## What the reports need.
/// allow loopback only
/// allow reports.example.com:443
/// deny :25
/// ".parse()?;
/// assert_eq!(rules, Rules::loopback_only().allow("reports.example.com:443")?.deny(":25")?);
/// # Ok::<(), rustpython_socket::RuleError>(())
/// ```
impl FromStr for Rules {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let is_empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let mut lines = text.lines().filter(|line| !is_empty(line)).peekable();
        let first = lines.peek().map(|line| line.trim());
        let base = BASES.iter().find(|(text, _)| Some(*text) == first);
        let mut rules = match base {
            Some((_, base)) => {
                lines.next();
                Self::new(*base)
            }
            None => Self::deny_all(),
        };
        for line in lines {
            let line = line.trim_start();
            if BASES.iter().any(|(text, _)| *text == line.trim_end()) {
                let message = "only the first line says what the rules start from";
                return Err(RuleError::new(line, Part::whole(line).error(message)));
            }
            if let Some(rule) = line.strip_prefix("allow ") {
                rules = rules.allow(rule)?;
            } else if let Some(rule) = line.strip_prefix("deny ") {
                rules = rules.deny(rule)?;
            } else {
                for rule in line.split(',') {
                    rules = rules.allow(rule.trim())?;
                }
            }
        }
        Ok(rules)
    }
}

/// Adds rules that allow.
///
/// ```
/// use rustpython_socket::{Rule, Rules};
///
/// let more: Vec<Rule> = vec!["example.com:443".parse()?];
/// let mut rules = Rules::loopback_only();
/// rules.extend(more);
/// assert_eq!(rules, Rules::loopback_only().allow("example.com:443")?);
/// # Ok::<(), rustpython_socket::RuleError>(())
/// ```
impl Extend<Rule> for Rules {
    fn extend<I: IntoIterator<Item = Rule>>(&mut self, rules: I) {
        for rule in rules {
            self.allow.push(rule);
        }
    }
}

/// Collects rules that allow; everything else is denied.
///
/// ```
/// use rustpython_socket::{Rule, Rules};
///
/// let rules: Result<Rules, _> = ["a.example", ":80"].iter().map(|text| text.parse::<Rule>()).collect();
/// assert_eq!(rules?, Rules::deny_all().allow("a.example")?.allow(":80")?);
/// # Ok::<(), rustpython_socket::RuleError>(())
/// ```
impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        let mut list = Self::deny_all();
        list.extend(rules);
        list
    }
}
