//! The prompts, through a terminal.

mod recorded;
mod terminal;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use terminal::{Terminal, script};

const INTERPRETER: &str = env!("CARGO_BIN_EXE_interpreter");

/// The ways to get a plain prompt.
const PLAIN: [(&str, &str); 2] = [("PYTHON_BASIC_REPL", "1"), ("TERM", "dumb")];

/// A session in a home of its own.
struct Session {
    terminal: Terminal,
    home: TempDir,
}

impl Session {
    /// The prompt of `_pyrepl`, or a plain one if a variable asks for it.
    fn open(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let home = TempDir::new().unwrap();
        let place = home.path().to_str().unwrap().to_owned();
        let program = [&[INTERPRETER], arguments].concat();
        let variables = [&[("HOME", place.as_str())], variables].concat();
        let terminal = Terminal::open(&program, &variables);
        Self { terminal, home }
    }

    /// The same, and past its first prompt.
    fn ready(variables: &[(&str, &str)]) -> Self {
        let mut session = Self::open(&["-q"], variables);
        session.terminal.shows(">>> ");
        session
    }

    /// Both kinds of prompt, for what both must do. The name of the second kind
    /// is for messages.
    fn every_kind() -> Vec<Self> {
        let plain = PLAIN.iter().map(|variable| Self::ready(&[*variable]));
        std::iter::once(Self::ready(&[])).chain(plain).collect()
    }

    fn history(&self) -> String {
        fs::read_to_string(self.home.path().join(".python_history")).unwrap_or_default()
    }
}

#[test]
fn greets_and_leaves() {
    let mut session = Session::open(&[], &[]);
    session
        .terminal
        .shows("interpreter 0.1.0 (RustPython 0.6.0, Python 3.14.0) on linux");
    session.terminal.shows("Type \"help\"");
    session.terminal.shows(">>> ");
    session.terminal.enters("6*7");
    session.terminal.shows("42");
    session.terminal.shows(">>> ");
    session.terminal.control('d');
    let (status, _) = session.terminal.ends();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn status_is_what_exit_was_given() {
    for mut session in Session::every_kind() {
        session.terminal.enters("raise SystemExit(30 + 3)");
        let (status, _) = session.terminal.ends();
        assert_eq!(status.code(), Some(33));
    }
    for mut session in Session::every_kind() {
        session.terminal.enters("exit()");
        let (status, _) = session.terminal.ends();
        assert_eq!(status.code(), Some(0));
    }
}

#[test]
fn empty_lines_are_nothing() {
    for mut session in Session::every_kind() {
        session.terminal.enters("");
        session.terminal.shows(">>> ");
        session.terminal.enters("");
        session.terminal.shows(">>> ");
        session.terminal.enters("6*7");
        session.terminal.shows("42");
    }
}

#[test]
fn an_open_bracket_goes_on() {
    for mut session in Session::every_kind() {
        session.terminal.enters("x = (6 *");
        session.terminal.shows("... ");
        session.terminal.enters("");
        session.terminal.shows("... ");
        session.terminal.enters("7)");
        session.terminal.shows(">>> ");
        session.terminal.enters("x");
        session.terminal.shows("42");
    }
}

#[test]
fn a_decorator_goes_on() {
    for mut session in Session::every_kind() {
        session.terminal.enters("@staticmethod");
        session.terminal.shows("... ");
        session.terminal.enters("def f(): return 6*7");
        session.terminal.shows("... ");
        session.terminal.enters("");
        session.terminal.shows(">>> ");
        session.terminal.enters("f()");
        session.terminal.shows("42");
    }
}

#[test]
fn a_try_block_goes_on() {
    for mut session in Session::every_kind() {
        session.terminal.enters("try: 1/0");
        session.terminal.shows("... ");
        session.terminal.enters("except ValueError: pass");
        session.terminal.shows("... ");
        session
            .terminal
            .enters("except ZeroDivisionError: print('cau' 'ght')");
        session.terminal.shows("... ");
        session.terminal.enters("");
        session.terminal.shows("caught");
    }
}

#[test]
fn an_exception_is_shown_and_survived() {
    for mut session in Session::every_kind() {
        session.terminal.enters("1/0");
        session.terminal.shows("    1/0");
        session
            .terminal
            .shows("ZeroDivisionError: division by zero");
        session.terminal.shows(">>> ");
        session.terminal.enters("x = = 1");
        session.terminal.shows("SyntaxError: invalid syntax");
        session.terminal.shows(">>> ");
        session.terminal.enters("6*7");
        session.terminal.shows("42");
    }
}

/// More than a prompt of CPython takes: a blank line inside a block, no blank
/// line after one, and an answer to `input` in the same paste.
const BLOCK: &str = "\
class A:
    def f(self):
        x = 'gi' 'ven'

        # a comment

        return x

    def g(self):
        try:
            1/0

        except ZeroDivisionError:
            return 'cau' 'ght'
for i in range(2):
    print('number', i)
if 0:
    pass

else:
    print('el' 'se')
text = '''a

b'''
print(len(text), A().f(), A().g())
";

#[test]
fn a_pasted_block_is_one() {
    let mut session = Session::ready(&[]);
    session
        .terminal
        .types(&format!("\x1b[200~{BLOCK}\x1b[201~"));
    session.terminal.shows("print(len(text), A().f(), A().g())");
    session.terminal.enters("");
    for text in ["number 0", "number 1", "else", "4 given caught", ">>> "] {
        session.terminal.shows(text);
    }
    for mut session in PLAIN.map(|variable| Session::ready(&[variable])) {
        session.terminal.types(&BLOCK.replace('\n', "\r"));
        for text in ["number 0", "number 1", "else", "4 given caught", ">>> "] {
            session.terminal.shows(text);
        }
    }
}

#[test]
fn what_is_typed_ahead_is_kept() {
    let mut session = Session::ready(&[PLAIN[0]]);
    session
        .terminal
        .types("answer = input('ques' 'tion ')\rtyped ahead\rprint(answer.upper())\r");
    session.terminal.shows("question ");
    session.terminal.shows("TYPED AHEAD");
}

#[test]
fn input_asks_in_a_session() {
    for mut session in Session::every_kind() {
        session.terminal.enters("input('ques' 'tion? ').upper()");
        session.terminal.shows("question? ");
        session.terminal.enters("answer");
        session.terminal.shows("'ANSWER'");
        session.terminal.shows(">>> ");
        session
            .terminal
            .enters("import sys; sys.stdin.readline().upper()");
        session.terminal.enters("line");
        session.terminal.shows("'LINE\\n'");
    }
}

#[test]
fn control_c_drops_the_line() {
    for mut session in Session::every_kind() {
        session.terminal.types("1/0");
        session.terminal.interrupts_its_wait();
        session.terminal.shows("KeyboardInterrupt");
        session.terminal.shows(">>> ");
        session.terminal.enters("x = (");
        session.terminal.shows("... ");
        session.terminal.interrupts_its_wait();
        session.terminal.shows("KeyboardInterrupt");
        session.terminal.shows(">>> ");
        session.terminal.enters("6*7");
        session.terminal.shows("42");
    }
}

/// Enters a call that waits for ever; Ctrl-C ends it, and the prompt is back.
fn is_interrupted(session: &mut Session, call: &str) {
    session
        .terminal
        .enters(&format!("print('wai' 'ting'); {call}"));
    session.terminal.shows("waiting");
    session.terminal.interrupts_its_wait();
    session.terminal.shows("KeyboardInterrupt");
    session.terminal.shows(">>> ");
    session.terminal.enters("print('still' 'alive')");
    session.terminal.shows("stillalive");
    session.terminal.shows(">>> ");
}

#[test]
fn control_c_interrupts_a_sleep() {
    for mut session in Session::every_kind() {
        is_interrupted(&mut session, "import time; time.sleep(600)");
    }
}

#[test]
fn control_c_interrupts_a_loop() {
    for mut session in Session::every_kind() {
        let line =
            "import itertools; any(n == 0 and print('wai' 'ting') for n in itertools.count())";
        session.terminal.enters(line);
        session.terminal.shows("waiting");
        // As a person would: not while the word is still being written.
        thread::sleep(Duration::from_millis(50));
        session.terminal.control('c');
        session.terminal.shows("KeyboardInterrupt");
        session.terminal.shows(">>> ");
        session.terminal.enters("6*7");
        session.terminal.shows("42");
    }
}

#[test]
fn control_c_interrupts_a_socket() {
    for mut session in Session::every_kind() {
        let line = "import socket; a, b = socket.socketpair(); s = socket.create_server(('127.0.0.1', 0), backlog=0)";
        session.terminal.enters(line);
        session.terminal.shows(">>> ");
        is_interrupted(&mut session, "a.recv(1)");
        is_interrupted(&mut session, "s.accept()");
        // A listener whose queue is full answers no further connection.
        let line = "fill = [socket.socket() for _ in range(4)]; [f.setblocking(False) for f in fill]; [f.connect_ex(s.getsockname()) for f in fill]; 6*7";
        session.terminal.enters(line);
        session.terminal.shows("42");
        session.terminal.shows(">>> ");
        is_interrupted(&mut session, "socket.create_connection(s.getsockname())");
        session.terminal.enters("b.send(b'x'); a.recv(1).upper()");
        session.terminal.shows("b'X'");
    }
}

#[test]
fn history_is_kept_at_home() {
    let mut session = Session::ready(&[]);
    session.terminal.enters("first = 6");
    session.terminal.shows(">>> ");
    session.terminal.enters("first * 7");
    session.terminal.shows("42");
    session.terminal.shows(">>> ");
    session.terminal.control('d');
    let Session { terminal, home } = session;
    terminal.ends();
    let place = home.path().to_str().unwrap();
    let written = fs::read_to_string(home.path().join(".python_history")).unwrap();
    assert_eq!(written, "first = 6\nfirst * 7\n");

    // The next session finds it under the Up key.
    let mut next = Terminal::open(&[INTERPRETER, "-q"], &[("HOME", place)]);
    next.shows(">>> ");
    next.types("\x1bOA");
    next.shows("first * 7");
}

#[test]
fn history_may_be_elsewhere() {
    let elsewhere = TempDir::new().unwrap();
    let file = elsewhere.path().join("history");
    let mut session = Session::ready(&[("PYTHON_HISTORY", file.to_str().unwrap())]);
    session.terminal.enters("6*7");
    session.terminal.shows("42");
    session.terminal.shows(">>> ");
    assert_eq!(fs::read_to_string(&file).unwrap(), "6*7\n");
    assert_eq!(session.history(), "");
}

#[test]
fn a_home_that_cannot_be_written_is_said_once() {
    for home in ["/dev/null", "/nonexistent", "/proc"] {
        let mut terminal = Terminal::open(&[INTERPRETER, "-q"], &[("HOME", home)]);
        terminal.shows("warning: no history is kept in");
        terminal.shows(">>> ");
        for _ in 0..2 {
            terminal.enters("6*7");
            terminal.shows("42");
            terminal.shows(">>> ");
        }
        terminal.control('d');
        let (status, rest) = terminal.ends();
        assert_eq!(status.code(), Some(0));
        assert!(!rest.contains("rror"), "{rest}");
    }
}

#[test]
fn no_home_is_no_crash() {
    let place = [
        "env",
        "-u",
        "HOME",
        "PYTHON_HISTORY=/dev/null",
        INTERPRETER,
        "-q",
    ];
    let mut terminal = Terminal::open(&place, &[]);
    terminal.shows(">>> ");
    terminal.enters("6*7");
    terminal.shows("42");
    terminal.shows(">>> ");
    terminal.control('d');
    assert_eq!(terminal.ends().0.code(), Some(0));
}

#[test]
fn a_dumb_terminal_is_said_to_be_one() {
    let mut session = Session::open(&["-q"], &[("TERM", "dumb")]);
    session.terminal.shows("warning: can't use pyrepl");
    session.terminal.shows(">>> ");
}

#[test]
fn startup_file_comes_before_the_prompt() {
    let directory = TempDir::new().unwrap();
    let text = "import sys\nsys.ps1 = 'mine> '\ndef given(): return 6*7\n";
    let file = script(&directory, "startup.py", text);
    for kind in [("TERM", "xterm"), PLAIN[0]] {
        let mut session = Session::open(&[], &[("PYTHONSTARTUP", &file), kind]);
        session.terminal.shows("mine> ");
        session.terminal.enters("given()");
        session.terminal.shows("42");
        session.terminal.shows("mine> ");
    }
    let mut session = Session::open(&["-E"], &[("PYTHONSTARTUP", &file)]);
    session.terminal.shows(">>> ");
}

#[test]
fn a_broken_startup_file_is_survived() {
    let directory = TempDir::new().unwrap();
    let file = script(&directory, "startup.py", "before = 6\n1/0\n");
    let mut session = Session::open(&[], &[("PYTHONSTARTUP", &file)]);
    session.terminal.shows("ZeroDivisionError");
    session.terminal.shows(">>> ");
    session.terminal.enters("before * 7");
    session.terminal.shows("42");

    let mut session = Session::open(&[], &[("PYTHONSTARTUP", "/nonexistent/startup.py")]);
    session
        .terminal
        .shows("Could not open PYTHONSTARTUP: /nonexistent/startup.py");
    session.terminal.shows(">>> ");
}

#[test]
fn a_session_may_follow_a_program() {
    let directory = TempDir::new().unwrap();
    let file = script(
        &directory,
        "a.py",
        "def f():\n    inner = 6\n    1/0\nf()\n",
    );
    for kind in [("TERM", "xterm"), PLAIN[0]] {
        let mut session = Session::open(&["-i", &file], &[kind]);
        session.terminal.shows("ZeroDivisionError");
        session.terminal.shows(">>> ");
        session.terminal.enters(
            "import sys; sys.last_exc.__traceback__.tb_next.tb_frame.f_locals['inner'] * 7",
        );
        session.terminal.shows("42");
        session.terminal.shows(">>> ");
        session.terminal.control('d');
        assert_eq!(session.terminal.ends().0.code(), Some(0));
    }
    let mut session = Session::open(&["-c", "x = 6"], &[("PYTHONINSPECT", "1")]);
    session.terminal.shows(">>> ");
    session.terminal.enters("x * 7");
    session.terminal.shows("42");
}

#[test]
fn a_program_asks_through_the_terminal() {
    let directory = TempDir::new().unwrap();
    let text = "answers = [input('ques' 'tion? ').upper() for _ in range(3)]\nprint(answers)\n";
    let file = script(&directory, "a.py", text);
    // Under a shell the program does not lead its session.
    let shell = ["sh", "-c", "\"$0\" \"$1\"; exit $?", INTERPRETER, &file];
    for (program, term) in [
        (&[INTERPRETER, &file][..], "xterm"),
        (&shell, "xterm"),
        (&shell, "dumb"),
    ] {
        let mut terminal = Terminal::open(program, &[("TERM", term)]);
        terminal.shows("question? ");
        terminal.types("one\rtwo\rthree\r");
        terminal.shows("['ONE', 'TWO', 'THREE']");
        assert_eq!(terminal.ends().0.code(), Some(0));

        let mut terminal = Terminal::open(program, &[("TERM", term)]);
        terminal.shows("question? ");
        terminal.control('d');
        terminal.shows("EOFError");
        assert_eq!(terminal.ends().0.code(), Some(1));

        let mut terminal = Terminal::open(program, &[("TERM", term)]);
        terminal.shows("question? ");
        terminal.interrupts_its_wait();
        terminal.shows("KeyboardInterrupt");
        let (status, _) = terminal.ends();
        // A shell, which the key interrupts as well, reports it in one of two ways.
        let interrupted = status.signal() == Some(2) || status.code() == Some(130);
        assert!(interrupted, "{status}");
    }
}

#[test]
fn the_plain_prompt_is_for_output_that_is_no_terminal() {
    let shell = ["sh", "-c", "\"$0\" -q | cat", INTERPRETER];
    let mut terminal = Terminal::open(&shell, &[]);
    terminal.shows(">>> ");
    terminal.enters("6*7");
    terminal.shows("42");
    terminal.control('d');
    assert!(terminal.ends().0.success());
}
