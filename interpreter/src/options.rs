//! The command line: CPython's options, and what they mean for a run.

use std::ffi::OsString;
use std::str::FromStr;

use lexopt::prelude::*;
use rustpython_vm::vm::CheckHashPycsMode;

use crate::network::Network;
use crate::usage;

/// Requests of a command line.
#[derive(Debug)]
pub enum Request {
    /// To run a program or open a prompt.
    Run(Options),
    /// To print this text and stop.
    Print(String),
}

/// The program to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Program {
    /// A script, or a directory or zip file with a `__main__`.
    File(String),
    /// The code of `-c`.
    Command(String),
    /// The name after `-m`.
    Module(String),
    /// Standard input: a prompt at a terminal, a script otherwise.
    #[default]
    StandardInput,
}

/// A run, as the command line describes it. The environment is not in it yet.
#[derive(Debug, Default)]
pub struct Options {
    pub program: Program,
    /// `sys.argv`.
    pub argv: Vec<String>,
    /// `-b`
    pub bytes_warning: u8,
    /// `-B`
    pub no_bytecode: bool,
    /// `-d`
    pub debug: u8,
    /// `-E`
    pub ignore_environment: bool,
    /// `-i`
    pub inspect: bool,
    /// `-I`
    pub isolated: bool,
    /// `-O`
    pub optimize: u8,
    /// `-P`
    pub safe_path: bool,
    /// `-q`
    pub quiet: bool,
    /// `-R`
    pub random_hashes: bool,
    /// `-s`
    pub no_user_site: bool,
    /// `-S`
    pub no_site: bool,
    /// `-u`
    pub unbuffered: bool,
    /// `-v`
    pub verbose: u8,
    /// `-W`
    pub warnings: Vec<String>,
    /// `-x`
    pub skip_first_line: bool,
    /// `-X`, with the value after `=` if there is one.
    pub x_options: Vec<(String, Option<String>)>,
    /// `--check-hash-based-pycs`
    pub check_hash_pycs: CheckHashPycsMode,
    /// `--allow-net` and its relatives
    pub network: Network,
}

impl Options {
    /// Tells whether the `PYTHON*` variables count.
    pub fn use_environment(&self) -> bool {
        !(self.ignore_environment || self.isolated)
    }

    /// Returns a `PYTHON*` variable that is not empty, unless these variables are ignored.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variable_in(|name| std::env::var_os(name), name)
    }

    /// Returns a variable like [`variable`](Self::variable), from what `lookup` finds.
    pub fn variable_in(
        &self,
        lookup: impl Fn(&str) -> Option<OsString>,
        name: &str,
    ) -> Option<String> {
        let value = self.use_environment().then(|| lookup(name))??;
        let value = value.to_string_lossy().into_owned();
        (!value.is_empty()).then_some(value)
    }
}

/// Reads a command line, the program's own name first.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
    let mut parser = lexopt::Parser::from_iter(checked(arguments)?);
    parser.set_short_equals(false);
    let mut options = Options::default();
    let mut versions = 0;
    while let Some(argument) = parser.next().map_err(explain)? {
        match argument {
            Short('b') => options.bytes_warning += 1,
            Short('B') => options.no_bytecode = true,
            Short('d') => options.debug += 1,
            Short('E') => options.ignore_environment = true,
            Short('h' | '?') | Long("help") => return Ok(Request::Print(usage::options())),
            Short('i') => options.inspect = true,
            Short('I') => options.isolated = true,
            Short('O') => options.optimize += 1,
            Short('P') => options.safe_path = true,
            Short('q') => options.quiet = true,
            Short('R') => options.random_hashes = true,
            Short('s') => options.no_user_site = true,
            Short('S') => options.no_site = true,
            Short('t') => {} // an option of Python 2, which CPython still takes
            Short('u') => options.unbuffered = true,
            Short('v') => options.verbose += 1,
            Short('V') | Long("version") => versions += 1,
            Short('W') => options.warnings.push(value(&mut parser)?),
            Short('x') => options.skip_first_line = true,
            Short('X') => options.x_options.push(x_option(&value(&mut parser)?)),
            Long("check-hash-based-pycs") => {
                options.check_hash_pycs = CheckHashPycsMode::from_str(&value(&mut parser)?)
                    .map_err(|_| {
                        "--check-hash-based-pycs takes 'default', 'always' or 'never'".to_owned()
                    })?;
            }
            Long("allow-net") => {
                let rules = parser.optional_value().map(text);
                options.network.allow(rules.as_deref())?;
            }
            Long("deny-net") => {
                let rules = parser.optional_value().map(text);
                options.network.deny(rules.as_deref())?;
            }
            Long("no-net") => options.network.deny_all(),
            Long("net-audit") => options.network.audit(&value(&mut parser)?),
            Long("help-env") => return Ok(Request::Print(usage::environment())),
            Long("help-xoptions") => return Ok(Request::Print(usage::x_options())),
            Long("help-all") => return Ok(Request::Print(usage::everything())),
            Short('c') => {
                options.program = Program::Command(value(&mut parser)?);
                options.argv.push("-c".to_owned());
                break;
            }
            Short('m') => {
                options.program = Program::Module(value(&mut parser)?);
                options.argv.push("-m".to_owned());
                break;
            }
            Value(file) => {
                let file = text(file);
                if file != "-" {
                    options.program = Program::File(file.clone());
                }
                options.argv.push(file);
                break;
            }
            unknown => return Err(explain(unknown.unexpected())),
        }
    }
    match versions {
        0 => {}
        1 => {
            return Ok(Request::Print(format!(
                "Python {}\n",
                usage::python_version()
            )));
        }
        _ => return Ok(Request::Print(format!("{}\n", usage::full_version()))),
    }
    if options.argv.is_empty() {
        options.argv.push(String::new());
    } else {
        let rest = parser.raw_args().map_err(explain)?;
        options.argv.extend(rest.map(text));
    }
    Ok(Request::Run(options))
}

/// Refuses arguments that are not UTF-8. RustPython 0.6.0 panics on one, long before a
/// script could look at it.
fn checked(arguments: impl IntoIterator<Item = OsString>) -> Result<Vec<OsString>, String> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    match arguments
        .iter()
        .find(|argument| argument.to_str().is_none())
    {
        Some(argument) => Err(format!("Argument {argument:?} is not valid UTF-8")),
        None => Ok(arguments),
    }
}

/// Converts an argument that `checked` has let through.
fn text(argument: OsString) -> String {
    argument.to_string_lossy().into_owned()
}

fn value(parser: &mut lexopt::Parser) -> Result<String, String> {
    parser.value().map(text).map_err(explain)
}

fn x_option(option: &str) -> (String, Option<String>) {
    match option.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (option.to_owned(), None),
    }
}

/// Explains a usage error in the words a user of CPython expects.
fn explain(error: lexopt::Error) -> String {
    match error {
        lexopt::Error::UnexpectedOption(option) => format!("Unknown option: {option}"),
        lexopt::Error::MissingValue {
            option: Some(option),
        } => format!("Argument expected for the {option} option"),
        error => format!("Error: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &[&str]) -> Options {
        match parse(line.iter().map(OsString::from)) {
            Ok(Request::Run(options)) => options,
            other => panic!("{line:?} is no run: {other:?}"),
        }
    }

    #[test]
    fn options_end_where_the_program_begins() {
        let options = run(&["interpreter", "-qB", "script.py", "-i", "--help"]);
        assert_eq!(options.program, Program::File("script.py".into()));
        assert_eq!(options.argv, ["script.py", "-i", "--help"]);
        assert!(options.quiet && options.no_bytecode && !options.inspect);
    }

    #[test]
    fn code_may_touch_its_option() {
        let options = run(&["interpreter", "-Oc=1", "x"]);
        assert_eq!(options.program, Program::Command("=1".into()));
        assert_eq!(options.argv, ["-c", "x"]);
        assert_eq!(options.optimize, 1);
    }

    #[test]
    fn no_program_is_standard_input() {
        assert_eq!(run(&["interpreter"]).argv, [""]);
        let options = run(&["interpreter", "-", "a"]);
        assert_eq!(options.program, Program::StandardInput);
        assert_eq!(options.argv, ["-", "a"]);
    }

    #[test]
    fn x_options_may_have_a_value() {
        let options = run(&["interpreter", "-Xdev", "-X", "a=b=c"]);
        assert_eq!(
            options.x_options,
            [("dev".into(), None), ("a".into(), Some("b=c".into()))]
        );
    }
}
