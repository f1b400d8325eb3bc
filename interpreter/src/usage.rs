//! Texts of `-h`, `-V` and their relatives.

use rustpython_vm::version;

/// The name this program goes by in its messages.
pub const PROGRAM: &str = env!("CARGO_PKG_NAME");

/// Returns the version of the language, as in `3.14.0`.
pub fn python_version() -> String {
    format!("{}.{}.{}", version::MAJOR, version::MINOR, version::MICRO)
}

/// This program and what it is made of, in a line without an end.
pub fn full_version() -> String {
    format!(
        "{PROGRAM} {} (RustPython {}.{}.{}, Python {})",
        env!("CARGO_PKG_VERSION"),
        version::MAJOR_IMPL,
        version::MINOR_IMPL,
        version::MICRO_IMPL,
        python_version(),
    )
}

/// Returns the reminder below a usage error.
pub fn short() -> String {
    format!("{SYNOPSIS}Try '{PROGRAM} -h' for the options.\n")
}

/// Returns the text of `-h`.
pub fn options() -> String {
    format!("{SYNOPSIS}\n{OPTIONS}")
}

/// Returns the text of `--help-env`.
pub fn environment() -> String {
    ENVIRONMENT.to_owned()
}

/// Returns the text of `--help-xoptions`.
pub fn x_options() -> String {
    X_OPTIONS.to_owned()
}

/// Returns the text of `--help-all`.
pub fn everything() -> String {
    format!("{}\n{ENVIRONMENT}\n{X_OPTIONS}", options())
}

const SYNOPSIS: &str = "\
usage: interpreter [option] ... [-c CODE | -m MODULE | FILE | -] [argument] ...
";

const OPTIONS: &str = "\
What to run; everything after it belongs to the program, in sys.argv:
  FILE        a script, or a directory or zip file that holds a __main__.py
  -c CODE     the code given
  -m MODULE   a module, as __main__
  -           standard input; the default, and a prompt if it is a terminal

Options:
  -b          warn when bytes are turned into str or compared with it (-bb: fail)
  -B          write no .pyc files
  -d          accepted and counted in sys.flags; there is no parser trace
  -E          ignore every PYTHON* variable
  -h          this text (also -?, --help)
  -i          open a prompt after the program, or where input is no terminal
  -I          isolated: -E, -P and -s in one
  -O          no assert statements, and __debug__ is False (-OO: no docstrings)
  -P          put neither the script's nor the current directory on sys.path
  -q          no banner
  -R          random hashes, whatever PYTHONHASHSEED says
  -s          no site-packages of the user
  -S          do not import site
  -u          write standard output and standard error unbuffered
  -v          say more about imports
  -V          the version (also --version; -VV: the versions of all parts)
  -W ARG      a warning filter: action:message:category:module:line
  -x          skip the first line of FILE
  -X OPTION   see --help-xoptions
  --check-hash-based-pycs always|default|never
              when a hash-based .pyc file is compared with its source
  --allow-net[=RULE,...], --deny-net[=RULE,...], --no-net, --net-audit FILE
              what the program may reach, see below
  --help-env, --help-xoptions, --help-all
              the variables, the -X options, everything

Network; without these options everything is allowed, repeated ones add up:
  --allow-net=RULE,...  only what one of the rules allows
  --allow-net=loopback  to connect, send and listen on 127.0.0.0/8, ::1 and `localhost`,
                        and to ask for the interfaces; no other sockets of this machine
  --allow-net=local     loopback, AF_UNIX sockets wherever they are, and passing and
                        taking over descriptors: what tests and worker processes need
  --allow-net           everything that no rule denies
  --deny-net=RULE,...   nothing that one of the rules denies, whatever allows it; also
                        `loopback` and `local`, for the addresses, sockets and functions
                        that these words allow
  --deny-net, --no-net  nothing at all, whatever allows it
  --net-audit FILE      refuse nothing; append a line to FILE for each refusal that
                        there would have been (of everything, if no rule is given)
A rule is a name, an address, a subnet, each with or without ports, or ports alone:
example.com:443, *.example.com, 10.0.0.0/8:8000-8999, [::1]:80, :53, unix:/run/a.sock.
One that allows is for looking up, connecting and sending; listening takes bind=, as
in bind=127.0.0.1:8080. Others are socket:netlink, option:SO_MARK, system:sethostname
and descriptor:3; the documentation of rustpython_socket::Rule lists all.
What is refused is PermissionError. Subprocesses, ctypes and descriptors opened
by other means are not covered: this guards against mistakes, not against malice.
";

const ENVIRONMENT: &str = "\
Variables (those marked * count when they are not empty):
  PYTHONPATH               directories for sys.path, separated by colons
  PYTHONSTARTUP            a file to run before the first prompt
  PYTHON_HISTORY           where the prompt keeps its history
  PYTHON_BASIC_REPL      * a plain prompt without line editing
  PYTHONINSPECT          * -i
  PYTHONSAFEPATH         * -P
  PYTHONNOUSERSITE       * -s
  PYTHONUNBUFFERED       * -u
  PYTHONDONTWRITEBYTECODE* -B
  PYTHONOPTIMIZE         * -O, or as many times as the number says
  PYTHONVERBOSE          * -v, likewise
  PYTHONDEBUG            * -d, likewise
  PYTHONWARNINGS           warning filters, separated by commas
  PYTHONHASHSEED           'random', or a number that makes hashes repeatable
  PYTHONIOENCODING         ENCODING[:ERRORS] of the standard streams
  PYTHONUTF8               1 or 0: UTF-8 mode, on by default
  PYTHONINTMAXSTRDIGITS    longest number turned from or into a str (0: any)
  PYTHON_CPU_COUNT         what os.cpu_count() says
  PYTHONDEVMODE          * -X dev
  PYTHONFAULTHANDLER     * -X faulthandler
  PYTHONNODEBUGRANGES    * -X no_debug_ranges
  PYTHONWARNDEFAULTENCODING * -X warn_default_encoding
  PYTHON_THREAD_INHERIT_CONTEXT, PYTHON_CONTEXT_AWARE_WARNINGS
                           1 or 0, as the -X options of these names
";

const X_OPTIONS: &str = "\
-X options; any other is only recorded in sys._xoptions:
  -X dev                        show warnings by default, enable faulthandler
  -X faulthandler               print the Python stack on a fatal signal
  -X utf8[=0|1]                 UTF-8 mode
  -X warn_default_encoding      warn where open() picks the encoding itself
  -X no_debug_ranges            no column positions in code objects
  -X int_max_str_digits=N       longest number turned from or into a str (0: any)
  -X cpu_count=N|default        what os.cpu_count() says
  -X thread_inherit_context=0|1 whether a thread starts in its parent's context
  -X context_aware_warnings=0|1 whether catch_warnings acts per context
";
