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
    // The same fault in bytes.rstrip() and lstrip(). Replies of a mail server, and strings
    // that are stored in shared memory, lost their last characters.
    (
        "smtplib",
        "smtplib.py",
        &[(
            r"line[4:].strip(b' \t\r\n')",
            r"line[4:].decode('latin-1').strip(' \t\r\n').encode('latin-1')",
        )],
    ),
    (
        "multiprocessing.shared_memory",
        "multiprocessing/shared_memory.py",
        &[(
            r".rstrip(b'\x00')",
            r".decode('latin-1').rstrip('\x00').encode('latin-1')",
        )],
    ),
    // A folder whose name ends in U+012F, as bytes: its last character was a slash.
    (
        "posixpath",
        "posixpath.py",
        &[
            (
                "        head = head.rstrip(sep)\n",
                "        while head.endswith(sep):\n            head = head[:-1]\n",
            ),
            (
                "    userhome = userhome.rstrip(sep)\n",
                "    while userhome.endswith(sep):\n        userhome = userhome[:-1]\n",
            ),
            ("abspath(start).lstrip(sep)", "abspath(start)"),
            ("abspath(path).lstrip(sep)", "abspath(path)"),
            (
                "start_tail.split(sep) if start_tail else []",
                "[name for name in start_tail.split(sep) if name]",
            ),
            (
                "path_tail.split(sep) if path_tail else []",
                "[name for name in path_tail.split(sep) if name]",
            ),
        ],
    ),
    // Bytes after the data that are no zeros, and digits that are no padding.
    (
        "gzip",
        "gzip.py",
        &[(
            r#"data = do.unused_data[8:].lstrip(b"\x00")"#,
            r#"data = do.unused_data[8:].decode("latin-1").lstrip("\x00").encode("latin-1")"#,
        )],
    ),
    // The line that ends uuencoded data, and the last line of a time zone's file.
    (
        "email.message",
        "email/message.py",
        &[(
            r"line.strip(b' \t\r\n\f') == b'end'",
            r"line.decode('latin-1').strip(' \t\r\n\f') == 'end'",
        )],
    ),
    (
        "zoneinfo._common",
        "zoneinfo/_common.py",
        &[(r#"line.rstrip(b"\n")"#, r#"line.removesuffix(b"\n")"#)],
    ),
    (
        "base64",
        "base64.py",
        &[(
            "s = s.rstrip(b'=')",
            "s = s.decode('latin-1').rstrip('=').encode('latin-1')",
        )],
    ),
    // OSError's __init__ does nothing in a class with two built-in classes above it
    // before OSError: an exception of http.client had no message.
    (
        "http.client",
        "http/client.py",
        &[(
            "        ConnectionResetError.__init__(self, *pos, **kw)\n",
            "        ConnectionResetError.__init__(self, *pos, **kw)\n        self.args = pos\n",
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
