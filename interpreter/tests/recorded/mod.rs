//! A recorded session: `session.txt` says what is typed and what the screen then
//! shows, and is replayed here in an emulated terminal.
//!
//! To record it anew, and read the difference:
//!
//!     RECORD=1 cargo test --release --ignore-rust-version -p interpreter --test prompt recorded

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use rustpython_vm::version;
use vt100::Color;

use crate::Session;
use crate::terminal::LIMIT;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recorded/session.txt");

/// Time for which the screen has to stay as it is to be recorded.
const QUIET: Duration = Duration::from_secs(2);

/// The keys that have names, and what a terminal sends for them.
const KEYS: [(&str, &str); 15] = [
    ("Enter", "\r"),
    ("Space", " "),
    ("Tab", "\t"),
    ("Backspace", "\x7f"),
    ("Up", "\x1bOA"),
    ("Down", "\x1bOB"),
    ("Right", "\x1bOC"),
    ("Left", "\x1bOD"),
    ("End", "\x1bOF"),
    ("Home", "\x1bOH"),
    ("F1", "\x1bOP"),
    ("F2", "\x1bOQ"),
    ("F3", "\x1bOR"),
    ("Paste", "\x1b[200~"),
    ("/Paste", "\x1b[201~"),
];

#[test]
fn recorded_session() {
    let text = fs::read_to_string(FILE).unwrap();
    let record = std::env::var_os("RECORD").is_some();
    let mut result = String::new();
    for part in text.split_inclusive("\n\n") {
        if part.starts_with("== ") {
            result += &play(part, record);
            result += "\n";
        } else {
            result += part;
        }
    }
    let result = format!("{}\n", result.trim_end());
    if record {
        fs::write(FILE, result).unwrap();
    }
}

/// Plays one part in a session of its own: its text with what was shown.
fn play(part: &str, record: bool) -> String {
    let lines: Vec<&str> = part.trim_end().lines().collect();
    let mut result = String::new();
    let mut arguments = vec![];
    let mut variables = vec![("PAGER", "cat")];
    let mut session = None;
    let mut colours = false;
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        at += 1;
        if line.starts_with("  |") {
            continue; // of a step that is not there any more
        }
        writeln!(result, "{line}").unwrap();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "==" | "#" => continue,
            "arguments" => arguments.extend(rest.split(' ')),
            "set" => variables.push(rest.split_once('=').unwrap()),
            "colours" => colours = true,
            "starts" | "types" | "pastes" | "ends" => {
                let session = session.get_or_insert_with(|| {
                    let mut session = Session::open(&arguments, &variables);
                    // What is typed earlier is shown twice, by the terminal as well.
                    session.terminal.shows(">>> ");
                    session
                });
                let mut text = keys(rest);
                if word == "pastes" {
                    while let Some(more) = lines.get(at).and_then(|l| l.strip_prefix("pastes")) {
                        writeln!(result, "{}", lines[at]).unwrap();
                        write!(text, "\n{}", keys(more.strip_prefix(' ').unwrap_or(more))).unwrap();
                        at += 1;
                    }
                }
                if text == "\x03" {
                    // While it waits, as a person would.
                    session.terminal.interrupts_its_wait();
                } else {
                    session.terminal.types(&text);
                }
                let screen = lines[at..]
                    .iter()
                    .take_while(|line| line.starts_with("  |"));
                let expected: Vec<&str> = screen.copied().collect();
                at += expected.len();
                let shown = if record {
                    while session.terminal.shows_more(QUIET) {}
                    screen_of(session, colours)
                } else {
                    let expected: String = expected.iter().map(|l| format!("{l}\n")).collect();
                    shows(session, colours, &expected, line, lines[0]);
                    expected
                };
                result += &shown;
            }
            _ => panic!("not understood: {line:?}"),
        }
    }
    if lines.iter().any(|line| line.starts_with("ends")) {
        let (status, _) = session.unwrap().terminal.ends();
        assert_eq!(status.code(), Some(0), "{}", lines[0]);
    }
    result
}

/// Waits until the screen is as expected.
fn shows(session: &mut Session, colours: bool, expected: &str, step: &str, part: &str) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let shown = screen_of(session, colours);
        if shown == expected {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{part}\nafter: {step}\nexpected:\n{expected}\nshown:\n{shown}"
        );
        if !session.terminal.shows_more(Duration::from_millis(100)) {
            // At the end of the program there is nothing to wait for.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Keys, of which those with a name are in angle brackets.
fn keys(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        result += before;
        let named = after.split_once('>').and_then(|(name, after)| {
            let key = KEYS.iter().find(|(known, _)| *known == name);
            let key = key.map(|(_, key)| (*key).to_owned());
            let control = name
                .strip_prefix("Ctrl-")
                .map(|key| char::from(key.as_bytes()[0] & 0x1f).to_string());
            Some((key.or(control)?, after))
        });
        let (key, after) = named.unwrap_or(("<".to_owned(), after));
        result += &key;
        rest = after;
    }
    result + rest
}

/// The screen as lines of the recording, without versions.
fn screen_of(session: &Session, colours: bool) -> String {
    let screen = session.terminal.screen();
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let plain = screen.rows(0, columns);
    let lines: Vec<String> = if colours {
        (0..rows)
            .map(|row| coloured(screen, row, columns))
            .collect()
    } else {
        plain.collect()
    };
    let python = format!("{}.{}", version::MAJOR, version::MINOR);
    let ours = format!(
        "{} (RustPython {}.{}.{}, Python {python}.{}) on {}",
        env!("CARGO_PKG_VERSION"),
        version::MAJOR_IMPL,
        version::MINOR_IMPL,
        version::MICRO_IMPL,
        version::MICRO,
        std::env::consts::OS,
    );
    let lines = lines.join("\n");
    let lines = lines
        .replace(
            &ours,
            "VERSION (RustPython VERSION, Python VERSION) on SYSTEM",
        )
        .replace(&python, "VERSION");
    let lines = lines.trim_end().lines();
    lines
        .map(|line| format!("  | {line}").trim_end().to_owned() + "\n")
        .collect()
}

/// A row with `[colour]` where one begins and `[]` where it ends.
fn coloured(screen: &vt100::Screen, row: u16, columns: u16) -> String {
    const NAMES: [&str; 8] = [
        "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
    ];
    let mut result = String::new();
    let mut last = String::new();
    for cell in (0..columns).filter_map(|column| screen.cell(row, column)) {
        let mut style = match cell.fgcolor() {
            Color::Default => String::new(),
            Color::Idx(index) => NAMES[usize::from(index) % 8].to_owned(),
            Color::Rgb(..) => "mixed".to_owned(),
        };
        if cell.bold() {
            style = format!("bold {style}").trim_end().to_owned();
        }
        let text = if cell.has_contents() {
            cell.contents()
        } else {
            " "
        };
        // A blank has no colour to see.
        if style != last && text != " " {
            write!(result, "[{style}]").unwrap();
            last = style;
        }
        result += text;
    }
    let end = if last.is_empty() { "" } else { "[]" };
    format!("{}{end}", result.trim_end())
}
