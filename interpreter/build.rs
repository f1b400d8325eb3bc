//! Takes modules of the standard library that meet a fault of RustPython 0.6, changes
//! the lines that do, and writes them as frozen modules for `src/library.rs`.
//!
//! `py_tests/test_corrections.py` has a test for each that fails without the change,
//! and one that fails when RustPython no longer has the fault: then it can go. A
//! change that finds nothing to change ends the build.

use std::path::Path;
use std::{env, fs};

/// A module, its file, and what to write instead of what.
type Correction = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const CORRECTIONS: &[Correction] = &[
    // bytes.strip() takes the bytes for UTF-8 and strips a character whose number ends
    // in that of a byte to be stripped: quote("Ю") left it as it was.
    (
        "urllib.parse",
        "urllib/parse.py",
        &[(
            "if not bs.rstrip(_ALWAYS_SAFE_BYTES + safe):",
            "if not bs.translate(None, _ALWAYS_SAFE_BYTES + safe):",
        )],
    ),
    // The parsers of pyexpat have Current… attributes, but not the Error… ones, which
    // are the same numbers: no parser of xml.sax could be closed.
    (
        "xml.sax.expatreader",
        "xml/sax/expatreader.py",
        &[
            ("ErrorLineNumber", "CurrentLineNumber"),
            ("ErrorColumnNumber", "CurrentColumnNumber"),
        ],
    ),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let library = Path::new(rustpython_pylib::LIB_PATH);
    let mut frozen = String::new();
    for (module, file, changes) in CORRECTIONS {
        let mut text = fs::read_to_string(library.join(file)).expect(file);
        for (old, new) in *changes {
            assert!(text.contains(old), "{file} has no '{old}' any more");
            text = text.replace(old, new);
        }
        frozen +=
            &format!("::rustpython_vm::py_freeze!(source = {text:?}, module_name = {module:?}),\n");
    }
    let out = env::var_os("OUT_DIR").expect("OUT_DIR");
    fs::write(Path::new(&out).join("library.rs"), format!("&[{frozen}]")).expect("library.rs");
}
