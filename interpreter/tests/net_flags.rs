//! `--allow-net`, `--deny-net`, `--no-net` and `--net-audit`, against listeners on loopback.

mod program;

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use program::Run;
use tempfile::TempDir;

/// Runs the program, isolated from the variables of whoever runs the tests.
fn run(arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interpreter"));
    Run::of(command.arg("-I").args(arguments), "")
}

/// Runs code that connects to a listener, and says whether something arrived.
fn connect(options: &[&str], host: &str) -> (Run, bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let code = "import socket, sys
try:
    socket.socket().connect((sys.argv[1], int(sys.argv[2])))
    print('connected')
except PermissionError as refused:
    print(refused.errno, refused.strerror.replace(sys.argv[2], 'PORT'))
";
    let options: Vec<_> = options
        .iter()
        .map(|option| option.replace("PORT", &port))
        .collect();
    let mut arguments: Vec<_> = options.iter().map(String::as_str).collect();
    arguments.extend(["-c", code, host, &port]);
    let run = run(&arguments);
    listener.set_nonblocking(true).unwrap();
    (run, listener.accept().is_ok())
}

#[track_caller]
fn connects(options: &[&str], host: &str) {
    let (run, arrived) = connect(options, host);
    run.gives(0, "connected\n");
    assert!(arrived);
}

#[track_caller]
fn is_refused(options: &[&str], host: &str, reason: &str) {
    let (run, arrived) = connect(options, host);
    run.gives(0, &format!("13 {reason}\n"));
    assert!(!arrived);
}

const NO_RULE: &str = "connect to 127.0.0.1:PORT is not allowed by any rule";

#[test]
fn everything_is_allowed_until_an_option_says_otherwise() {
    connects(&[], "127.0.0.1");
    connects(&["--allow-net"], "127.0.0.1");
}

#[test]
fn rules_allow() {
    connects(&["--allow-net=127.0.0.1:PORT"], "127.0.0.1");
    connects(&["--allow-net=192.0.2.1,127.0.0.0/8"], "127.0.0.1");
    let twice = ["--allow-net=192.0.2.1", "--allow-net=:PORT"];
    connects(&twice, "localhost");
    is_refused(&["--allow-net=192.0.2.1"], "127.0.0.1", NO_RULE);
    is_refused(&["--allow-net=bind=127.0.0.1"], "127.0.0.1", NO_RULE);
    is_refused(
        &["--allow-net=127.0.0.1"],
        "localhost",
        "connect to localhost:PORT is not allowed by any rule",
    );
}

#[test]
fn what_is_denied_beats_what_is_allowed() {
    let denied = "connect to 127.0.0.1:PORT is denied by the rule '127.0.0.0/8'";
    is_refused(&["--deny-net=127.0.0.0/8"], "127.0.0.1", denied);
    connects(&["--deny-net=192.0.2.0/24,:1"], "127.0.0.1");
    for allow in ["--allow-net", "--allow-net=127.0.0.1"] {
        is_refused(&[allow, "--deny-net=127.0.0.0/8"], "127.0.0.1", denied);
        is_refused(&["--deny-net=127.0.0.0/8", allow], "127.0.0.1", denied);
        is_refused(&["--no-net", allow], "127.0.0.1", NO_RULE);
        is_refused(&["--deny-net", allow], "127.0.0.1", NO_RULE);
    }
}

#[test]
fn no_net_is_nothing() {
    is_refused(&["--no-net"], "127.0.0.1", NO_RULE);
    is_refused(&["--deny-net"], "2130706433", NO_RULE);
    let code = "import socket
for call in (
    lambda: socket.getaddrinfo('localhost', 80),
    lambda: socket.socket().bind(('127.0.0.1', 0)),
    lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('127.0.0.1', 9)),
    lambda: socket.socket(socket.AF_UNIX).connect('/nowhere'),
):
    try:
        print(call())
    except PermissionError as refused:
        print(refused.strerror)
";
    run(&["--no-net", "-c", code]).gives(
        0,
        "resolve of localhost:80 is not allowed by any rule\n\
         bind to 127.0.0.1:0 is not allowed by any rule\n\
         send to 127.0.0.1:9 is not allowed by any rule\n\
         connect to unix:/nowhere is not allowed by any rule\n",
    );
}

#[test]
fn listening_takes_a_rule_for_it() {
    let code = "import socket; socket.create_server(('127.0.0.1', 0)); print('listens')";
    run(&["--allow-net=127.0.0.1", "-c", code])
        .gives(1, "")
        .mentions("[Errno 13] bind to 127.0.0.1:0 is not allowed by any rule");
    run(&["--allow-net=bind=127.0.0.1", "-c", code]).gives(0, "listens\n");
}

#[test]
fn every_kind_of_program_is_covered() {
    let code = "import socket; socket.socket().connect(('127.0.0.1', 9))";
    let directory = TempDir::new().unwrap();
    let script = directory.path().join("script.py");
    fs::write(&script, code).unwrap();
    let script = script.to_str().unwrap();
    let refused = "PermissionError: [Errno 13] connect to 127.0.0.1:9 is not allowed by any rule";
    run(&["--no-net", "-c", code]).mentions(refused);
    run(&["--no-net", script]).mentions(refused);
    run(&["--no-net", "-m", "timeit", "-n1", "-r1", code]).mentions(refused);
    let threads =
        format!("import threading\nthreading.Thread(target=exec, args=({code:?},)).start()");
    run(&["--no-net", "-c", &threads]).mentions(refused);
}

#[test]
fn options_after_the_program_are_its_own() {
    let code = "import sys; print(sys.argv)";
    run(&["-c", code, "--no-net", "--allow-net=?"])
        .gives(0, "['-c', '--no-net', '--allow-net=?']\n");
    let directory = TempDir::new().unwrap();
    let script = directory.path().join("script.py");
    fs::write(
        &script,
        "import socket, sys; print(sys.argv[1:]); socket.create_server(('127.0.0.1', 0))",
    )
    .unwrap();
    run(&[script.to_str().unwrap(), "--no-net"]).gives(0, "['--no-net']\n");
}

mod audit {
    use super::*;

    #[test]
    fn writes_a_line_and_refuses_nothing() {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("refusals");
        fs::write(&file, "before\n").unwrap();
        let file_name = file.to_str().unwrap();
        connects(&["--net-audit", file_name, "--no-net"], "127.0.0.1");
        let audit = format!("--net-audit={file_name}");
        connects(&[&audit, "--allow-net=127.0.0.1"], "127.0.0.1");
        connects(&[&audit, "--deny-net=:PORT"], "127.0.0.1");
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0], "before");
        assert!(lines[1].starts_with("connect to 127.0.0.1:"), "{text}");
        assert!(lines[1].ends_with(" is not allowed by any rule"), "{text}");
        assert!(lines[2].contains(" is denied by the rule ':"), "{text}");
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn without_rules_is_for_everything() {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("refusals");
        // The file is found after the program changed its directory, too.
        let code = "import os, socket
os.chdir('/')
os.closerange(3, 99)
socket.create_server(('127.0.0.1', 0)).close()
try:
    socket.getaddrinfo('a\\nb', 80)
except OSError:
    pass
";
        let mut command = Command::new(env!("CARGO_BIN_EXE_interpreter"));
        command.args(["-I", "--net-audit", "refusals", "-c", code]);
        Run::of(command.current_dir(directory.path()), "").gives(0, "");
        assert_eq!(
            fs::read_to_string(file).unwrap(),
            "bind to 127.0.0.1:0 is not allowed by any rule\n\
             resolve of a\\nb:80 is not allowed by any rule\n"
        );
    }

    #[test]
    fn needs_a_file_that_can_be_opened() {
        run(&["--net-audit", "/nowhere/refusals", "-c", "print(1)"])
            .gives(2, "")
            .mentions("interpreter: can't open file '/nowhere/refusals': No such file");
        run(&["--net-audit"])
            .gives(2, "")
            .mentions("Argument expected for the --net-audit option");
    }
}

#[test]
fn a_malformed_rule_is_shown() {
    let usage = "usage: interpreter [option]";
    run(&["--allow-net=127.0.0.1,example.com:http", "-c", "print(1)"])
        .gives(2, "")
        .mentions("--allow-net: a port is a number\n  example.com:http\n              ^\n")
        .mentions(usage);
    run(&["--deny-net=10.0.0.0/33"]).gives(2, "").mentions(
        "--deny-net: a prefix of IPv4 has at most 32 bits\n  10.0.0.0/33\n           ^\n",
    );
    for empty in ["--allow-net=", "--deny-net=:1,"] {
        run(&[empty])
            .gives(2, "")
            .mentions("the rule is empty")
            .mentions(usage);
    }
    run(&["--no-net=x"]).gives(2, "").mentions("--no-net");
    // A rule does not stand apart: this is a script that does not exist.
    run(&["--allow-net", "127.0.0.1"])
        .gives(2, "")
        .mentions("can't open file");
}

#[test]
fn help_explains_the_options() {
    let help = run(&["--help"]);
    for text in [
        "--allow-net[=RULE,...]",
        "--allow-net=loopback",
        "--allow-net=local",
        "--deny-net[=RULE,...]",
        "--no-net",
        "--net-audit FILE",
        "listening takes bind=",
        "Subprocesses",
    ] {
        assert!(help.out.contains(text), "no {text:?} in {}", help.out);
    }
}

/// A server and its client in one process, with what the standard library has for both.
const LIBRARIES: [(&str, &str); 4] = [
    (
        "socketserver and socket",
        "import socket, socketserver, threading
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())
with socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo) as server:
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    try:
        with socket.create_connection(('localhost', server.server_address[1])) as client:
            client.sendall(b'line\\n')
            assert client.makefile('rb').readline() == b'line\\n'
    finally:
        server.shutdown()
print('done')
",
    ),
    (
        "http.client",
        "import http.client, http.server, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '5')
        self.end_headers()
        self.wfile.write(b'hello')
    def log_message(self, *_):
        pass
with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    try:
        client = http.client.HTTPConnection('127.0.0.1', server.server_port, timeout=20)
        client.request('GET', '/')
        assert client.getresponse().read() == b'hello'
        client.close()
    finally:
        server.shutdown()
print('done')
",
    ),
    (
        "urllib",
        "import http.server, threading, urllib.request
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())
    def log_message(self, *_):
        pass
with http.server.HTTPServer(('127.0.0.1', 0), Handler) as server:
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f'http://localhost:{server.server_port}/path', timeout=20) as answer:
            assert answer.read() == b'/path'
    finally:
        server.shutdown()
print('done')
",
    ),
    (
        "asyncio",
        "import asyncio
async def echo(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(echo, '127.0.0.1', 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection('localhost', port)
        writer.write(b'line\\n')
        assert await reader.readline() == b'line\\n'
        writer.close()
        await writer.wait_closed()
asyncio.run(main())
print('done')
",
    ),
];

#[test]
fn the_standard_library_works_within_rules() {
    let rules = "--allow-net=127.0.0.0/8,localhost,bind=127.0.0.0/8";
    for (name, script) in LIBRARIES {
        println!("{name}");
        for allowed in [rules, "--allow-net=loopback"] {
            run(&[allowed, "-c", script]).gives(0, "done\n");
        }
        for refused in ["--no-net", "--allow-net=127.0.0.0/8,localhost"] {
            run(&[refused, "-c", script])
                .gives(1, "")
                .mentions("PermissionError: [Errno 13] ")
                .mentions("bind to 127.0.0.1:0 is not allowed by any rule");
        }
        // The server starts, and its client is refused.
        run(&["--allow-net=bind=127.0.0.0/8", "-c", script])
            .gives(1, "")
            .mentions(" is not allowed by any rule");
    }
}

/// The permissions that tests usually need, beside loopback.
#[test]
fn local_is_for_tests_and_worker_processes() {
    let script = "
import os, socket, tempfile
assert socket.if_nametoindex('lo') == 1
reader, writer = os.pipe()
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 's')
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
        accepted, _ = server.accept()
        with accepted:
            socket.send_fds(client, [b'x'], [reader])
            _, [copy], _, _ = socket.recv_fds(accepted, 1, 1)
os.write(writer, b'y')
assert os.read(copy, 1) == b'y'
try:
    socket.create_connection(('192.0.2.1', 80), 1)
except PermissionError:
    print('done')
";
    run(&["--allow-net=local", "-c", script]).gives(0, "done\n");
    run(&["--allow-net=loopback", "-c", script])
        .gives(1, "")
        .mentions("unix:")
        .mentions(" is not allowed by any rule");
}
