//! Functions that concern the system, for `system:` rules.

/// Functions that a `system:` rule can name. True: allowed without a rule, because the
/// function only reads the host's name or tables that every system has.
const FUNCTIONS: &[(&str, bool)] = &[
    ("gethostname", true),
    ("getprotobyname", true),
    ("getservbyname", true),
    ("getservbyport", true),
    ("if_indextoname", false),
    ("if_nameindex", false),
    ("if_nametoindex", false),
    ("sethostname", false),
];

/// Returns the table's copy of a function's name.
pub(super) fn named(name: &str) -> Option<&'static str> {
    let known = FUNCTIONS.iter().find(|(known, _)| *known == name);
    known.map(|(name, _)| *name)
}

/// Returns all names of functions, for a message.
pub(super) fn names() -> String {
    let names: Vec<_> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// Returns true for a function that needs no rule.
pub(super) fn is_harmless(function: &str) -> bool {
    FUNCTIONS.contains(&(function, true))
}
