//! Tests what the program makes of its arguments, its environment and standard input.

mod program;

use std::fs;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use program::Run;
use program::process::{self, LONG, Started};
use tempfile::TempDir;

/// The program, in an environment without any variable that changes it.
fn interpreter() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interpreter"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PYTHON") {
            command.env_remove(name);
        }
    }
    command.env("TERM", "dumb");
    command
}

/// Runs the program with arguments and nothing on standard input.
fn run(arguments: &[&str]) -> Run {
    Run::of(interpreter().args(arguments), "")
}

/// Runs a script from standard input.
fn pipe(script: &str) -> Run {
    Run::of(&mut interpreter(), script)
}

/// A directory with these files in it.
fn files(files: &[(&str, &str)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

/// Runs the program in a directory.
fn run_in(directory: &TempDir, arguments: &[&str]) -> Run {
    Run::of(
        interpreter().args(arguments).current_dir(directory.path()),
        "",
    )
}

/// The path by which the program knows a directory.
fn name_of(directory: &TempDir) -> String {
    let path = fs::canonicalize(directory.path()).unwrap();
    path.to_str().unwrap().to_owned()
}

mod script {
    use super::*;

    const WHERE: &str = "import sys; print(sys.argv, sys.path[0], __file__, __name__)";

    #[test]
    fn knows_its_arguments_and_its_place() {
        let directory = files(&[("sub/a.py", WHERE)]);
        let here = name_of(&directory);
        let expected =
            format!("['sub/a.py', '-c', '--x', '-'] {here}/sub {here}/sub/a.py __main__\n");
        run_in(&directory, &["sub/a.py", "-c", "--x", "-"])
            .gives(0, &expected)
            .says("");
    }

    #[test]
    fn of_the_examples_echoes() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/echo.py");
        let rules = "--allow-net=127.0.0.0/8,localhost,bind=127.0.0.0/8";
        for arguments in [&[example][..], &[rules, example]] {
            let echo = run(arguments);
            assert_eq!(echo.status.code(), Some(0), "{}", echo.err);
            assert!(echo.out.starts_with("connected by ('127.0.0.1', "));
            assert!(echo.out.ends_with("\nreceived b'Hello, world'\n"));
        }
    }

    #[test]
    fn lies_where_its_link_points() {
        let directory = files(&[("sub/a.py", WHERE)]);
        let here = name_of(&directory);
        std::os::unix::fs::symlink("sub/a.py", directory.path().join("link.py")).unwrap();
        let expected = format!("['link.py'] {here}/sub {here}/link.py __main__\n");
        run_in(&directory, &["link.py"]).gives(0, &expected);
    }

    #[test]
    fn may_follow_two_dashes() {
        let directory = files(&[("-a.py", "import sys; print(sys.argv)")]);
        run_in(&directory, &["--", "-a.py", "b"]).gives(0, "['-a.py', 'b']\n");
    }

    #[test]
    fn leaves_standard_input_to_itself() {
        let text = "import sys\nprint(input('name? '))\nprint(repr(sys.stdin.read()))\n";
        let directory = files(&[("a.py", text)]);
        let mut command = interpreter();
        command.arg("a.py").current_dir(directory.path());
        Run::of(&mut command, "bob\nrest\nmore").gives(0, "name? bob\n'rest\\nmore'\n");
        let end = Run::of(&mut command, "");
        end.gives(1, "name? ")
            .mentions("EOFError: EOF when reading a line");
    }

    #[test]
    fn is_read_in_its_own_encoding() {
        let directory = TempDir::new().unwrap();
        let script = directory.path().join("a.py");
        fs::write(&script, b"# coding: latin-1\nprint(ascii('\xe9'))\n").unwrap();
        run(&[script.to_str().unwrap()]).gives(0, "'\\xe9'\n");
        fs::write(
            &script,
            b"\xef\xbb\xbfprint('mark')\r\nif 1:\r\n  print(2)\r\n",
        )
        .unwrap();
        run(&[script.to_str().unwrap()]).gives(0, "mark\n2\n");
        fs::write(&script, b"print('\xe9')\n").unwrap();
        let broken = run(&[script.to_str().unwrap()]);
        broken
            .gives(1, "")
            .mentions("Non-UTF-8 code starting with '\\xe9'");
    }

    #[test]
    fn shows_the_lines_of_an_exception() {
        let directory = files(&[("a.py", "def f():\n    1/0\nf()\n")]);
        let here = name_of(&directory);
        let expected = format!(
            "Traceback (most recent call last):\n  \
             File \"{here}/a.py\", line 3, in <module>\n    f()\n    ~^^\n  \
             File \"{here}/a.py\", line 2, in f\n    1/0\n    ~^~\n\
             ZeroDivisionError: division by zero\n"
        );
        run_in(&directory, &["a.py"]).gives(1, "").says(&expected);
    }

    #[test]
    fn with_a_syntax_error_does_not_start() {
        let directory = files(&[("a.py", "print(1)\nx = (1\n")]);
        run_in(&directory, &["a.py"])
            .gives(1, "")
            .mentions("line 2")
            .mentions("SyntaxError: '(' was never closed");
    }

    #[test]
    fn that_is_missing_is_status_two() {
        let directory = files(&[]);
        let expected = format!(
            "{}: can't open file '{}/no.py': [Errno 2] No such file or directory\n",
            env!("CARGO_BIN_EXE_interpreter"),
            name_of(&directory)
        );
        run_in(&directory, &["no.py"]).gives(2, "").says(&expected);
    }

    #[test]
    fn may_be_a_directory() {
        let main = "import sys; print(sys.argv, sys.path[0], __name__)\nimport helper\n";
        let directory = files(&[
            ("app/__main__.py", main),
            ("app/helper.py", "print('helped')"),
            ("empty/x.py", ""),
        ]);
        let here = name_of(&directory);
        let expected = format!("['app', 'x'] {here}/app __main__\nhelped\n");
        run_in(&directory, &["app", "x"]).gives(0, &expected);
        run_in(&directory, &["empty"])
            .gives(1, "")
            .mentions(&format!("can't find '__main__' module in '{here}/empty'"));
    }

    #[test]
    fn may_be_a_zip_file() {
        let main = "import sys; print(sys.argv, __name__)\nimport helper\n";
        let directory = files(&[("__main__.py", main), ("helper.py", "print('helped')")]);
        let pack = ["-m", "zipfile", "-c", "app.zip", "__main__.py", "helper.py"];
        run_in(&directory, &pack).gives(0, "");
        fs::remove_file(directory.path().join("helper.py")).unwrap();
        run_in(&directory, &["app.zip", "x"]).gives(0, "['app.zip', 'x'] __main__\nhelped\n");
    }

    #[test]
    fn may_be_a_pipe() {
        let mut shell = Command::new("bash");
        shell
            .args(["-c", "exec \"$0\" <(echo 'print(6 * 7)')"])
            .arg(env!("CARGO_BIN_EXE_interpreter"));
        Run::of(&mut shell, "").gives(0, "42\n");
    }

    #[test]
    fn may_lose_its_first_line() {
        let text = "@echo off & not Python\nprint('ran')\n1/0\n";
        let directory = files(&[("a.bat", text)]);
        run_in(&directory, &["-x", "a.bat"])
            .gives(1, "ran\n")
            .mentions("a.bat\", line 3");
    }
}

mod command {
    use super::*;

    #[test]
    fn has_its_arguments_and_no_file() {
        let code = "import sys; print(sys.argv, repr(sys.path[0]), '__file__' in globals())";
        run(&["-c", code, "a", "-b"]).gives(0, "['-c', 'a', '-b'] '' False\n");
        run(&["-cprint(1)"]).gives(0, "1\n");
        run(&["-c", ""]).gives(0, "").says("");
    }

    #[test]
    fn may_be_a_block() {
        run(&["-c", "if 0:\n  pass\nelse:\n  print('else')"]).gives(0, "else\n");
    }

    /// Python 3.14 takes common indentation away.
    #[test]
    fn may_be_indented() {
        run(&["-c", "\n    if 1:\n        print('in')\n    print('out')\n"]).gives(0, "in\nout\n");
    }

    #[test]
    fn shows_the_lines_of_an_exception() {
        let expected = "Traceback (most recent call last):\n  \
                        File \"<string>\", line 1, in <module>\n    1/0\n    ~^~\n\
                        ZeroDivisionError: division by zero\n";
        run(&["-c", "1/0"]).gives(1, "").says(expected);
    }
}

mod module {
    use super::*;

    #[test]
    fn is_main_with_its_arguments() {
        let show = "import sys; print(sys.argv[1:], sys.path[0], __name__, __package__)";
        let directory = files(&[
            ("one.py", show),
            ("pack/__init__.py", ""),
            ("pack/__main__.py", show),
            ("pack/two.py", show),
        ]);
        let here = name_of(&directory);
        run_in(&directory, &["-m", "one", "a", "-x"])
            .gives(0, &format!("['a', '-x'] {here} __main__ \n"));
        run_in(&directory, &["-mpack"]).gives(0, &format!("[] {here} __main__ pack\n"));
        run_in(&directory, &["-m", "pack.two"]).gives(0, &format!("[] {here} __main__ pack\n"));
        run_in(&directory, &["-m", "no_such"])
            .gives(1, "")
            .mentions("No module named no_such");
    }

    #[test]
    fn may_be_of_the_standard_library() {
        let format = Run::of(interpreter().args(["-m", "json.tool"]), "{\"a\":1}");
        format.gives(0, "{\n    \"a\": 1\n}\n");
    }

    #[test]
    fn needs_nothing_but_the_program() {
        let home = TempDir::new().unwrap();
        let alone = home.path().join("alone");
        // Not fs::copy: a child that another test starts meanwhile would have the
        // copy open for writing, and exec says ETXTBSY then.
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_interpreter"))
            .arg(&alone)
            .status();
        assert!(copied.unwrap().success());
        let code = "import asyncio, http.server, json, sys; print(sys.executable)";
        let expected = format!("{}\n", alone.display());
        Run::of(
            Command::new(&alone).env_clear().args(["-I", "-c", code]),
            "",
        )
        .gives(0, &expected);
    }
}

mod standard_input {
    use super::*;

    #[test]
    fn is_one_script_without_prompts() {
        let script = "\
def f():
    x = 1

    return x
print(f())
class A:
    def m(self):
        return 2

    y = 3
print(A().m(), A.y)
if 1:
    print('a')
else:
    print('b')
x = (1,

2)
'an expression'
for i in range(2):
  print(i)
print('no newline at the end')";
        pipe(script)
            .gives(0, "1\n2 3\na\n0\n1\nno newline at the end\n")
            .says("");
        pipe("").gives(0, "").says("");
    }

    #[test]
    fn has_names_like_any_script() {
        let script =
            "'doc'\nimport sys\nprint(sys.argv, repr(sys.path[0]), __file__, __name__, __doc__)\n";
        pipe(script).gives(0, "[''] '' <stdin> __main__ doc\n");
        let dash = Run::of(interpreter().args(["-", "a", "-b"]), script);
        dash.gives(0, "['-', 'a', '-b'] '' <stdin> __main__ doc\n");
    }

    #[test]
    fn stops_at_an_exception() {
        pipe("print(1)\n1/0\nprint(2)\n")
            .gives(1, "1\n")
            .mentions("File \"<stdin>\", line 2, in <module>")
            .mentions("ZeroDivisionError: division by zero");
    }

    #[test]
    fn with_a_syntax_error_does_not_start() {
        pipe("print(1)\nx = (\n")
            .gives(1, "")
            .mentions("SyntaxError: '(' was never closed");
        pipe("if 1:\nprint()\n")
            .gives(1, "")
            .mentions("IndentationError");
        pipe("print(1)\n\0\n").gives(1, "").mentions("null bytes");
    }

    #[test]
    fn is_at_its_end_when_the_script_runs() {
        pipe("import sys\nprint(repr(sys.stdin.read()))\n").gives(0, "''\n");
        pipe("input()\nnot_read\n")
            .gives(1, "")
            .mentions("EOFError");
    }

    #[test]
    fn may_begin_with_a_byte_order_mark_and_end_lines_with_two_characters() {
        pipe("\u{feff}if 1:\r\n    print('crlf')\r\n").gives(0, "crlf\n");
    }

    #[test]
    fn is_a_session_with_i() {
        let mut command = interpreter();
        let session = "print(2)\ndef f():\n  return 3\n\nf()\n1/0\n(\n1,\n2)\n@staticmethod\ndef g(): pass\n\ntry:\n  1/0\nexcept ZeroDivisionError:\n  print('caught')\n\nprint(4)\n";
        Run::of(command.args(["-q", "-i"]), session)
            .gives(0, "2\n3\n(1, 2)\ncaught\n4\n")
            .mentions(">>> ")
            .mentions("... ")
            .mentions("    1/0\n    ~^~\nZeroDivisionError");
    }
}

mod exit {
    use super::*;

    #[test]
    fn status_is_the_argument() {
        for (argument, status) in [
            ("", 0),
            ("None", 0),
            ("0", 0),
            ("3", 3),
            ("True", 1),
            ("255", 255),
            ("256", 0),
            ("257", 1),
            ("-1", 255),
        ] {
            run(&["-c", &format!("import sys; sys.exit({argument})")])
                .gives(status, "")
                .says("");
        }
    }

    #[test]
    fn message_is_status_one() {
        run(&["-c", "import sys; sys.exit('why')"])
            .gives(1, "")
            .says("why\n");
        run(&["-c", "raise SystemExit(3.5)"])
            .gives(1, "")
            .says("3.5\n");
        run(&["-c", "exit((1, 2))"]).gives(1, "").says("(1, 2)\n");
        pipe("import sys\nsys.exit('why')\n")
            .gives(1, "")
            .says("why\n");
        pipe("raise SystemExit(5)\n").gives(5, "").says("");
    }

    #[test]
    fn runs_what_was_registered() {
        let code = "import atexit\natexit.register(print, 'bye')\nraise SystemExit(4)";
        run(&["-c", code]).gives(4, "bye\n");
        let code = "import threading\nthreading.Thread(target=lambda: print('t')).start()";
        run(&["-c", code]).gives(0, "t\n");
    }

    #[test]
    fn may_be_at_once() {
        run(&["-c", "import os; os._exit(7)"]).gives(7, "");
    }

    #[test]
    fn by_keyboard_interrupt_is_a_signal() {
        let raised = run(&["-c", "raise KeyboardInterrupt"]);
        assert_eq!(raised.status.signal(), Some(Signal::SIGINT as i32));
        raised.mentions("KeyboardInterrupt");
    }

    #[test]
    fn by_control_c_is_a_signal() {
        let code = "import time\nprint('ready', flush=True)\ntime.sleep(600)";
        let child = process::start(interpreter().args(["-c", code]));
        let started = Instant::now();
        while child.printed() != "ready\n" {
            assert!(started.elapsed() < LONG, "{:?}", child.printed());
            thread::sleep(Duration::from_millis(1));
        }
        kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
        let interrupted = Run::end_of(child, "");
        assert_eq!(interrupted.status.signal(), Some(Signal::SIGINT as i32));
        interrupted.mentions("KeyboardInterrupt");
    }

    #[test]
    fn when_nobody_reads_is_no_crash() {
        let mut child = interpreter()
            .args(["-c", "while True: print('x' * 1000)"])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0; 10]).unwrap();
        drop(out);
        let broken = Run::end_of(Started::from(child), "");
        broken.mentions("BrokenPipeError");
        assert_eq!(broken.status.code(), Some(1));
    }

    #[test]
    fn with_a_full_disk_is_status_120() {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let child = interpreter()
            .args(["-c", "print('lost')"])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lost = Run::end_of(Started::from(child), "");
        assert_eq!(lost.status.code(), Some(120));
        lost.mentions("No space left on device");
    }
}

mod options {
    use super::*;

    /// One flag of `sys.flags` under these options.
    #[track_caller]
    fn flag(options: &[&str], name: &str, value: &str) {
        let code = format!("import sys; print(sys.flags.{name})");
        let arguments = [options, &["-c", &code]].concat();
        run(&arguments).gives(0, &format!("{value}\n"));
    }

    #[test]
    fn version() {
        for option in ["-V", "--version"] {
            run(&[option]).gives(0, "Python 3.14.0\n").says("");
        }
        let all = run(&["-VV"]);
        assert!(all.out.contains("RustPython 0.6.0"), "{}", all.out);
    }

    #[test]
    fn help() {
        for option in [
            "-h",
            "-?",
            "--help",
            "--help-env",
            "--help-xoptions",
            "--help-all",
        ] {
            let help = run(&[option]);
            assert_eq!(help.status.code(), Some(0));
            assert!(help.out.lines().count() > 8, "{}", help.out);
            assert!(help.out.lines().all(|line| line.len() < 90));
        }
    }

    #[test]
    fn errors_are_status_two() {
        for (arguments, message) in [
            (&["-Z"][..], "Unknown option: -Z"),
            (&["--nope"], "Unknown option: --nope"),
            (&["-c"], "Argument expected for the -c option"),
            (&["-m"], "Argument expected for the -m option"),
            (&["-W"], "Argument expected for the -W option"),
            (&["-X"], "Argument expected for the -X option"),
            (
                &["--check-hash-based-pycs", "foo"],
                "'default', 'always' or 'never'",
            ),
        ] {
            let wrong = run(arguments);
            wrong.gives(2, "").mentions(message).mentions("usage: ");
        }
    }

    #[test]
    fn flags() {
        flag(&["-b"], "bytes_warning", "1");
        flag(&["-B"], "dont_write_bytecode", "1");
        flag(&["-d"], "debug", "1");
        flag(&["-E"], "ignore_environment", "1");
        flag(&["-I"], "isolated", "1");
        flag(&["-I"], "no_user_site", "1");
        flag(&["-I"], "safe_path", "True");
        flag(&["-O"], "optimize", "1");
        flag(&["-OO"], "optimize", "2");
        flag(&["-P"], "safe_path", "True");
        flag(&["-q"], "quiet", "1");
        flag(&["-s"], "no_user_site", "1");
        flag(&["-S"], "no_site", "1");
        flag(&["-X", "dev"], "dev_mode", "True");
        flag(&["-X", "utf8=0"], "utf8_mode", "0");
        flag(
            &["-X", "int_max_str_digits=700"],
            "int_max_str_digits",
            "700",
        );
        flag(&["-qBOs"], "optimize", "1");
    }

    #[test]
    fn no_site() {
        let code = "import sys; print('site' in sys.modules)";
        run(&["-c", code]).gives(0, "True\n");
        run(&["-S", "-c", code]).gives(0, "False\n");
    }

    #[test]
    fn no_assertions_and_no_docstrings() {
        let code = "def f(): 'doc'\nassert 0\nprint(__debug__, f.__doc__)";
        run(&["-O", "-c", code]).gives(0, "False doc\n");
        run(&["-OO", "-c", code]).gives(0, "False None\n");
    }

    #[test]
    fn unbuffered() {
        let code = "import os\nprint('seen', end='')\nos._exit(0)";
        run(&["-c", code]).gives(0, "");
        run(&["-u", "-c", code]).gives(0, "seen");
    }

    #[test]
    fn warnings() {
        let warn = "import warnings\nwarnings.warn('careful')\nprint('after')";
        run(&["-c", warn])
            .gives(0, "after\n")
            .mentions("UserWarning: careful");
        run(&["-W", "ignore", "-c", warn])
            .gives(0, "after\n")
            .says("");
        run(&["-Werror", "-c", warn])
            .gives(1, "")
            .mentions("UserWarning: careful");
        run(&["-bb", "-c", "str(b'')"])
            .gives(1, "")
            .mentions("BytesWarning");
    }

    #[test]
    fn x_options_are_recorded() {
        let code = "import sys; print(sys._xoptions)";
        run(&["-X", "mine=1", "-Xyours", "-c", code]).gives(0, "{'mine': '1', 'yours': True}\n");
        run(&["-X", "int_max_str_digits=3", "-c", ""])
            .gives(1, "")
            .mentions("int_max_str_digits");
    }

    #[test]
    fn safe_path() {
        let code = "import sys; print('' in sys.path)";
        run(&["-c", code]).gives(0, "True\n");
        run(&["-P", "-c", code]).gives(0, "False\n");
        run(&["-I", "-c", code]).gives(0, "False\n");
    }

    #[test]
    fn a_program_without_a_prompt_has_none() {
        let code = "import sys; print(hasattr(sys, 'ps1'), hasattr(sys, 'ps2'))";
        run(&["-c", code]).gives(0, "False False\n");
    }

    #[test]
    fn inspection_follows_the_program() {
        let inspect =
            |code: &str, input: &str| Run::of(interpreter().args(["-i", "-c", code]), input);
        inspect("x = 5", "x\n").gives(0, "5\n").says(">>> >>> \n");
        inspect("1/0", "'on'\n")
            .gives(0, "'on'\n")
            .mentions("ZeroDivisionError: division by zero\n>>> ");
        inspect("import sys; sys.exit(3)", "sys.exit(4)\n")
            .gives(4, "")
            .mentions("SystemExit: 3\n>>> ");
        let directory = files(&[]);
        let mut missing = interpreter();
        missing.args(["-i", "no.py"]).current_dir(directory.path());
        let missing = Run::of(&mut missing, "6*7\n");
        missing
            .gives(0, "42\n")
            .mentions("No such file or directory\n>>> ");
        assert!(!missing.err.contains("SystemExit"), "{}", missing.err);
    }

    #[test]
    fn inspection_by_variable_wants_a_terminal() {
        let mut command = interpreter();
        command.env("PYTHONINSPECT", "1").args(["-c", "x = 5"]);
        Run::of(&mut command, "x\n").gives(0, "").says("");
    }

    #[test]
    fn what_is_not_utf8_is_refused_in_words() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let mut command = interpreter();
        command.args(["-c", ""]).arg(OsStr::from_bytes(b"\xff"));
        Run::of(&mut command, "")
            .gives(2, "")
            .mentions("is not valid UTF-8");
    }
}

mod environment {
    use super::*;

    /// Returns what `code` prints with one variable set.
    fn with(variable: &str, value: &str, options: &[&str], code: &str) -> Run {
        let mut command = interpreter();
        command
            .env(variable, value)
            .args(options)
            .args(["-c", code]);
        Run::of(&mut command, "")
    }

    #[test]
    fn path() {
        let directory = files(&[("found.py", "print('found')")]);
        let place = name_of(&directory);
        with("PYTHONPATH", &place, &[], "import found").gives(0, "found\n");
        with("PYTHONPATH", &place, &["-E"], "import found")
            .gives(1, "")
            .mentions("No module named 'found'");
        with("PYTHONPATH", &place, &["-I"], "import found").gives(1, "");
    }

    #[test]
    fn flags() {
        for (variable, flag, value) in [
            ("PYTHONOPTIMIZE", "optimize", "1"),
            ("PYTHONDONTWRITEBYTECODE", "dont_write_bytecode", "1"),
            ("PYTHONNOUSERSITE", "no_user_site", "1"),
            ("PYTHONSAFEPATH", "safe_path", "True"),
            ("PYTHONDEVMODE", "dev_mode", "True"),
            ("PYTHONHASHSEED", "hash_randomization", "1"),
        ] {
            let code = format!("import sys; print(sys.flags.{flag})");
            let given = if flag == "hash_randomization" {
                "random"
            } else {
                "1"
            };
            with(variable, given, &[], &code).gives(0, &format!("{value}\n"));
        }
    }

    #[test]
    fn unbuffered() {
        let code = "import os\nprint('seen', end='')\nos._exit(0)";
        with("PYTHONUNBUFFERED", "1", &[], code).gives(0, "seen");
        with("PYTHONUNBUFFERED", "1", &["-E"], code).gives(0, "");
    }

    #[test]
    fn warnings() {
        let code = "import sys; print(sys.warnoptions)";
        with(
            "PYTHONWARNINGS",
            "error, ignore::UserWarning",
            &["-Wonce"],
            code,
        )
        .gives(0, "['error', 'ignore::UserWarning', 'once']\n");
    }

    #[test]
    fn hashes_can_repeat() {
        let hash = || with("PYTHONHASHSEED", "7", &[], "print(hash('spam'))").out;
        assert_eq!(hash(), hash());
        with("PYTHONHASHSEED", "x", &[], "")
            .gives(1, "")
            .mentions("PYTHONHASHSEED must be");
    }

    #[test]
    fn streams_have_an_encoding() {
        with("PYTHONIOENCODING", "ascii:replace", &[], "print('\u{e9}')").gives(0, "?\n");
    }

    #[test]
    fn variables_need_not_be_text() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let mut command = interpreter();
        command.env("ODD", OsStr::from_bytes(b"\xff"));
        command.args(["-c", "import os; print(ascii(os.environ['ODD']))"]);
        Run::of(&mut command, "").gives(0, "'\\udcff'\n");
    }
}

mod socket_module {
    use super::*;

    /// The frozen standard library has a `socket.py`; it must never be found.
    #[test]
    fn is_the_native_one_under_both_names() {
        let code = "\
import sys
import _socket, socket
print(socket.__spec__.origin, _socket.__spec__.origin, hasattr(socket, '__file__'))
print(socket.socket.__module__, _socket.socket.__module__)
import importlib
print(importlib.import_module('socket') is socket, sys.modules['_socket'] is _socket)";
        let expected = "built-in built-in False\nsocket _socket\nTrue True\n";
        for option in ["-c", "-Sc", "-Ic"] {
            run(&[option, code]).gives(0, expected);
        }
    }

    /// Not even from the current directory.
    #[test]
    fn is_not_shadowed_by_a_file() {
        let directory = files(&[
            ("socket.py", "print('a stranger')"),
            ("_socket.py", "print('a stranger')"),
            (
                "a.py",
                "import socket, _socket; print(socket.AF_INET, _socket.AF_INET)",
            ),
        ]);
        let run = run_in(&directory, &["a.py"]);
        assert!(!run.out.contains("stranger"), "{}", run.out);
        assert_eq!(run.status.code(), Some(0), "{}", run.err);
    }

    #[test]
    fn carries_the_standard_library() {
        let directory = files(&[("index.html", "<p>it works</p>")]);
        let code = "\
import http.server, functools, threading, urllib.request
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory='.')
handler.func.log_message = lambda *_: None
with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = 'http://127.0.0.1:%d/' % server.server_address[1]
    print(urllib.request.urlopen(url).read().decode())
    server.shutdown()";
        run_in(&directory, &["-c", code]).gives(0, "<p>it works</p>\n");
    }
}
