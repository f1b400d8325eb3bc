//! Rules for addresses of AF_UNIX: unix(7).

use crate::sockaddr::layout::UNIX_ROOM;
use crate::sockaddr::{SockAddr, UnixName};
use std::fmt;

/// The longest path or abstract name that fits an address: one byte of `sun_path` is the
/// NUL that ends a path or begins a name.
pub(super) const LONGEST: usize = UNIX_ROOM - 1;

/// A path without `.`, empty and, as far as possible, `..` components.
///
/// Cleaning works on the text: symbolic links are not followed. An absolute path begins
/// with `/`, a relative path does not; the current directory is the empty path.
#[derive(Clone, Copy)]
pub(super) struct CleanPath {
    bytes: [u8; SockAddr::CAPACITY],
    len: usize,
}

impl CleanPath {
    /// Cleans a path. `None` if it is longer than any address.
    pub(super) fn new(path: &[u8]) -> Option<Self> {
        let mut clean = Self {
            bytes: [0; SockAddr::CAPACITY],
            len: 0,
        };
        let absolute = path.first() == Some(&b'/');
        if absolute {
            clean.push(b"/")?;
        }
        for component in path.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." if clean.pop() => {}
                // The root is its own parent.
                b".." if absolute => {}
                _ => {
                    if !matches!(clean.as_bytes(), b"" | b"/") {
                        clean.push(b"/")?;
                    }
                    clean.push(component)?;
                }
            }
        }
        Some(clean)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len + bytes.len();
        self.bytes.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }

    /// Removes the last component for a `..`; returns false if there is none to remove.
    fn pop(&mut self) -> bool {
        let path = self.as_bytes();
        let start = path.iter().rposition(|byte| *byte == b'/');
        let last = path.get(start.map_or(0, |at| at + 1)..).unwrap_or_default();
        if matches!(last, b"" | b"..") {
            return false;
        }
        self.len = start.map_or(0, |at| at.max(1));
        true
    }
}

/// The pattern of a `unix:` rule. Paths are clean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UnixPattern {
    Any,
    Path(Box<str>),
    /// Everything below the directory, at any depth.
    Directory(Box<str>),
    Abstract {
        name: Box<str>,
        /// True for a rule for all names that begin with this one.
        prefix: bool,
    },
}

impl UnixPattern {
    pub(super) fn matches(&self, address: &UnixName<'_>) -> bool {
        match (self, address) {
            (Self::Any, _) => true,
            (Self::Abstract { name, prefix }, UnixName::Unnamed) => *prefix && name.is_empty(),
            (Self::Abstract { name, prefix: true }, UnixName::Abstract(found)) => {
                found.starts_with(name.as_bytes())
            }
            (Self::Abstract { name, .. }, UnixName::Abstract(found)) => name.as_bytes() == *found,
            (Self::Path(path), UnixName::Path(found)) => {
                CleanPath::new(found).is_some_and(|found| found.as_bytes() == path.as_bytes())
            }
            (Self::Directory(directory), UnixName::Path(found)) => CleanPath::new(found)
                .is_some_and(|found| is_below(directory.as_bytes(), found.as_bytes())),
            _ => false,
        }
    }
}

/// Returns true for a clean path below a clean directory.
fn is_below(directory: &[u8], path: &[u8]) -> bool {
    let rest = match directory {
        b"" if path.starts_with(b"/") => None,
        b"" => Some(path),
        b"/" => path.strip_prefix(b"/"),
        _ => path
            .strip_prefix(directory)
            .and_then(|rest| rest.strip_prefix(b"/")),
    };
    // A `..` remains only if it leads out of a relative directory.
    rest.is_some_and(|rest| {
        !rest.is_empty() && rest.split(|byte| *byte == b'/').next() != Some(b"..")
    })
}

impl fmt::Display for UnixPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unix:")?;
        match self {
            Self::Any => f.write_str("*"),
            Self::Abstract { name, prefix } => {
                write!(f, "@{name}{}", if *prefix { "*" } else { "" })
            }
            Self::Path(path) => write!(f, "{}{path}", dot(path)),
            Self::Directory(path) if **path == *"/" => f.write_str(path),
            Self::Directory(path) => write!(f, "{}{path}/", dot(path)),
        }
    }
}

/// Returns the prefix, if any, without which a path would be read as another pattern.
fn dot(path: &str) -> &'static str {
    match path.bytes().next() {
        Some(b'@') => "./",
        None => ".",
        Some(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        for (path, clean) in [
            ("/a/b", "/a/b"),
            ("//a///b/", "/a/b"),
            ("/a/./b/.", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/", "/"),
            ("", ""),
            (".", ""),
            ("./a", "a"),
            ("a/..", ""),
            ("a/../b", "b"),
            ("..", ".."),
            ("../..", "../.."),
            ("a/../../b", "../b"),
            ("../a/..", ".."),
            ("...", "..."),
            ("/a/..b/.c", "/a/..b/.c"),
        ] {
            let found = CleanPath::new(path.as_bytes()).unwrap();
            assert_eq!(found.as_bytes(), clean.as_bytes(), "{path}");
            let again = CleanPath::new(found.as_bytes()).unwrap();
            assert_eq!(again.as_bytes(), clean.as_bytes(), "{path}");
        }
        assert!(CleanPath::new(&[b'a'; SockAddr::CAPACITY + 1]).is_none());
    }

    #[test]
    fn what_is_below_a_directory() {
        for (directory, path, below) in [
            ("/a", "/a/b", true),
            ("/a", "/a/b/c", true),
            ("/a", "/a", false),
            ("/a", "/ab", false),
            ("/a", "a/b", false),
            ("/", "/a", true),
            ("/", "/", false),
            ("/", "a", false),
            ("", "a", true),
            ("", "", false),
            ("", "/a", false),
            ("", "../a", false),
            ("", "..a", true),
            ("..", "../a", true),
            ("..", "../../a", false),
            ("a", "a/b", true),
            ("a", "../a/b", false),
        ] {
            let found = is_below(directory.as_bytes(), path.as_bytes());
            assert_eq!(found, below, "{directory} {path}");
        }
    }
}
