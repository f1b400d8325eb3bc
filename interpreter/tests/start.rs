//! Time to the first prompt, and of the echo of a key.

mod terminal;

use std::time::{Duration, Instant};

use tempfile::TempDir;
use terminal::Terminal;

/// Several times the aim, 250 ms and 20 ms: other programs may be running. The
/// figures are printed with `--nocapture`.
#[test]
fn is_quick() {
    let mut starts = vec![];
    let mut echoes = vec![];
    for _ in 0..5 {
        let home = TempDir::new().unwrap();
        let variables = [("HOME", home.path().to_str().unwrap())];
        let start = Instant::now();
        let mut terminal = Terminal::open(&[env!("CARGO_BIN_EXE_interpreter"), "-q"], &variables);
        terminal.shows(">>> ");
        starts.push(start.elapsed());
        for key in "abcdefghij".chars() {
            // At rest, as between the keys of a person.
            while terminal.shows_more(Duration::from_millis(50)) {}
            let start = Instant::now();
            terminal.types(&key.to_string());
            terminal.shows(&key.to_string());
            echoes.push(start.elapsed());
        }
    }
    starts.sort();
    echoes.sort();
    println!("first prompt: {starts:?}\necho of a key: {echoes:?}");
    assert!(starts[0] < Duration::from_secs(2), "{starts:?}");
    assert!(echoes[0] < Duration::from_millis(200), "{echoes:?}");
}
