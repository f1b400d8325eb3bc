//! Programs that Cargo leaves out when it builds one test program alone. The tests of
//! `interpreter/` include this file, too.

use std::fs;
use std::path::Path;

/// Tells whether a program is missing, or older than a file that it was made of. Cargo
/// writes their names beside it.
pub fn is_stale(program: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    let (Ok(built), Ok(names)) = (
        modified(program),
        fs::read_to_string(program.with_extension("d")),
    ) else {
        return true;
    };
    // `PROGRAM: FILE FILE …`, with a backslash before each space in a name.
    let names = names.split_once(": ").unwrap_or_default().1;
    let names = names.trim_end().replace("\\ ", "\0");
    names.split(' ').any(|name| {
        // A file that is gone has changed the program, too.
        !modified(Path::new(&name.replace('\0', " "))).is_ok_and(|changed| changed <= built)
    })
}
