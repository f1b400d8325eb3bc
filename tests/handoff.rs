//! Sockets of the host become a script's, and the host's again.

mod support;

use rustpython_socket::{SocketModule, handoff};
use rustpython_vm::scope::Scope;
use rustpython_vm::{AsObject, PyObjectRef, VirtualMachine};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use support::{Lean, count_of, is_alone, run_in, text_of};

/// Hands `socket` to a script as `s`; the script's `s` afterwards.
#[track_caller]
fn with<R>(
    lean: &Lean,
    socket: impl Into<OwnedFd>,
    script: &str,
    after: impl FnOnce(&PyObjectRef, &VirtualMachine) -> R,
) -> R {
    lean.interpreter.enter(|vm| {
        let object = handoff::to_script(socket, vm).unwrap();
        run_with(&object, &format!("import socket\n{script}"), vm);
        after(&object, vm)
    })
}

/// Runs a script that has a socket as `s`.
#[track_caller]
fn run_with(object: &PyObjectRef, script: &str, vm: &VirtualMachine) {
    let set = |vm: &VirtualMachine, scope: &Scope| {
        scope.globals.set_item("s", object.clone(), vm).unwrap();
    };
    if let Err(text) = run_in(vm, script, set) {
        panic!("{text}");
    }
}

fn lean() -> Lean {
    Lean::new(SocketModule::new())
}

fn is(family: &str, kind: &str, protocol: i32) -> String {
    format!(
        "
assert type(s) is socket.socket
assert s.family is socket.{family} and s.type is socket.{kind} and s.proto == {protocol}, s
assert s.gettimeout() is None and s.getblocking()
assert not s.get_inheritable()
"
    )
}

#[test]
fn a_tcp_stream() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let (mut peer, _) = server.accept().unwrap();
    let number = stream.as_raw_fd();
    let lean = lean();
    let script = is("AF_INET", "SOCK_STREAM", 6) + "s.sendall(b'hello')";
    let mut back: TcpStream = with(&lean, stream, &script, |object, vm| {
        assert_eq!(lean.handle.counters().open, 1);
        let info = &lean.handle.sockets()[0];
        assert_eq!(info.fd, number);
        assert!(info.local.is_some() && info.peer.is_some());
        let back = handoff::from_script(object, vm).unwrap();
        // The script's object is closed, and says so.
        let closed = "
assert s.fileno() == -1
try: s.send(b'x')
except OSError as e: assert e.errno == 9
else: assert False
s.close()
";
        run_with(object, closed, vm);
        back.into()
    });
    assert_eq!(back.as_raw_fd(), number);
    assert_eq!(lean.handle.counters().open, 0);
    back.write_all(b" world").unwrap();
    drop(back);
    let mut text = String::new();
    peer.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello world");
}

#[test]
fn a_tcp_listener() {
    let server = TcpListener::bind("[::1]:0").unwrap();
    let address = server.local_addr().unwrap();
    let lean = lean();
    let client = std::thread::spawn(move || {
        let mut text = String::new();
        TcpStream::connect(address)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    });
    let script = is("AF_INET6", "SOCK_STREAM", 6)
        + &format!("assert s.getsockname()[1] == {}\n", address.port())
        + "c, _ = s.accept(); c.sendall(b'hello'); c.close()";
    let back: TcpListener = with(&lean, server, &script, |object, vm| {
        handoff::from_script(object, vm).unwrap().into()
    });
    assert_eq!(client.join().unwrap(), "hello");
    assert_eq!(back.local_addr().unwrap(), address);
}

#[test]
fn a_udp_socket() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    peer.send_to(b"hello", address).unwrap();
    let lean = lean();
    let script = is("AF_INET", "SOCK_DGRAM", 17)
        + "data, address = s.recvfrom(64); assert data == b'hello'; s.sendto(b'back', address)";
    let back: UdpSocket = with(&lean, socket, &script, |object, vm| {
        handoff::from_script(object, vm).unwrap().into()
    });
    let mut data = [0; 64];
    assert_eq!(peer.recv(&mut data).unwrap(), 4);
    assert_eq!(back.local_addr().unwrap(), address);
}

#[test]
fn unix_sockets() {
    let lean = lean();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let script = is("AF_UNIX", "SOCK_STREAM", 0) + "s.sendall(b'hello')";
    let back: UnixStream = with(&lean, theirs, &script, |object, vm| {
        handoff::from_script(object, vm).unwrap().into()
    });
    drop(back);
    let mut text = String::new();
    ours.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");

    let (ours, theirs) = UnixDatagram::pair().unwrap();
    ours.send(b"hello").unwrap();
    let script = is("AF_UNIX", "SOCK_DGRAM", 0) + "assert s.recv(64) == b'hello'; s.send(b'back')";
    let _: UnixDatagram = with(&lean, theirs, &script, |object, vm| {
        handoff::from_script(object, vm).unwrap().into()
    });
    assert_eq!(ours.recv(&mut [0; 64]).unwrap(), 4);

    let path = std::env::temp_dir().join(format!("socket-test-handoff-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let server = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    let script = is("AF_UNIX", "SOCK_STREAM", 0)
        + &format!("assert s.getsockname() == {:?}\n", path.to_str().unwrap())
        + "c, _ = s.accept(); c.sendall(b'x'); c.close()";
    let back: UnixListener = with(&lean, server, &script, |object, vm| {
        handoff::from_script(object, vm).unwrap().into()
    });
    assert_eq!((&client).read(&mut [0; 8]).unwrap(), 1);
    assert!(back.local_addr().is_ok());
    std::fs::remove_file(path).unwrap();
}

#[test]
fn an_owned_descriptor() {
    let lean = lean();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let script = is("AF_UNIX", "SOCK_STREAM", 0) + "s.sendall(b'x'); s.close()";
    with(&lean, OwnedFd::from(theirs), &script, |_, _| {});
    assert_eq!((&ours).read(&mut [0; 8]).unwrap(), 1);
    assert_eq!((&ours).read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn the_mode_becomes_the_timeout() {
    let lean = lean();
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let script = "
assert s.gettimeout() == 0.0 and not s.getblocking()
try: s.recv(1)
except BlockingIOError: pass
else: assert False
s.settimeout(None)
";
    let back: UnixStream = with(&lean, theirs, script, |object, vm| {
        handoff::from_script(object, vm).unwrap().into()
    });
    (&ours).write_all(b"x").unwrap();
    assert_eq!((&back).read(&mut [0; 8]).unwrap(), 1);
    // A default timeout is for sockets of the script's own making.
    let (_ours, theirs) = UnixStream::pair().unwrap();
    lean.run("import socket; socket.setdefaulttimeout(5)");
    with(&lean, theirs, "assert s.gettimeout() is None, s", |_, _| {});
}

#[test]
fn a_duplicate_leaves_both() {
    let lean = lean();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut copy: UnixStream = with(&lean, theirs, "", |object, vm| {
        let copy = handoff::duplicate(object, vm).unwrap();
        vm.call_method(object, "sendall", (vm.ctx.new_bytes(b"one ".to_vec()),))
            .unwrap();
        vm.call_method(object, "close", ()).unwrap();
        assert!(handoff::duplicate(object, vm).is_err());
        copy.into()
    });
    copy.write_all(b"two").unwrap();
    drop(copy);
    let mut text = String::new();
    (&ours).read_to_string(&mut text).unwrap();
    assert_eq!(text, "one two");
}

#[test]
fn what_is_no_socket() {
    let lean = lean();
    lean.interpreter.enter(|vm| {
        let file = File::open("/dev/null").unwrap();
        let number = file.as_raw_fd();
        let raised = handoff::to_script(file, vm).unwrap_err();
        assert!(raised.fast_isinstance(vm.ctx.exceptions.os_error));
        assert!(
            text_of(vm, &raised).contains("88"),
            "{}",
            text_of(vm, &raised)
        );
        let link = std::fs::read_link(format!("/proc/self/fd/{number}"));
        assert!(link.is_err() || link.unwrap() != std::path::Path::new("/dev/null"));
        for object in [
            vm.ctx.none(),
            vm.ctx.new_int(3).into(),
            vm.ctx.new_str("s").into(),
        ] {
            for raised in [
                handoff::from_script(&object, vm).unwrap_err(),
                handoff::duplicate(&object, vm).unwrap_err(),
            ] {
                assert!(raised.fast_isinstance(vm.ctx.exceptions.type_error));
            }
        }
    });
    let (_ours, theirs) = UnixStream::pair().unwrap();
    with(&lean, theirs, "s.close()", |object, vm| {
        for raised in [
            handoff::from_script(object, vm).unwrap_err(),
            handoff::duplicate(object, vm).unwrap_err(),
        ] {
            assert!(raised.fast_isinstance(vm.ctx.exceptions.os_error));
            assert!(
                text_of(vm, &raised).contains("9,"),
                "{}",
                text_of(vm, &raised)
            );
        }
    });
    // One that a script made without __init__, and one that was given away.
    let script = "
new = socket.socket.__new__(socket.socket)
socket.new = new
s.detach()
";
    let (_ours, theirs) = UnixStream::pair().unwrap();
    with(&lean, theirs, script, |object, vm| {
        assert!(handoff::from_script(object, vm).is_err());
        let new = vm.import("socket", 0).unwrap().get_attr("new", vm).unwrap();
        assert!(handoff::from_script(&new, vm).is_err());
    });
}

/// The policy is for scripts: the host may hand over what they could not reach.
#[test]
fn the_policy_is_not_asked() {
    use rustpython_socket::Rules;
    let lean = Lean::new(SocketModule::new().policy(Rules::deny_all()).max_sockets(0));
    let (ours, theirs) = UnixStream::pair().unwrap();
    let script = "
s.sendall(b'x')
for call in (lambda: socket.dup(1), socket.socket):
    try: call()
    except OSError: pass
    else: assert False
";
    with(&lean, theirs, script, |_, _| {});
    assert_eq!((&ours).read(&mut [0; 8]).unwrap(), 1);
    // A listener that is bound listens.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    with(&lean, server, "s.listen(5); s.settimeout(0)", |_, _| {});
}

/// A subclass's socket is one, too.
#[test]
fn a_subclass_goes_back() {
    let lean = lean();
    let socket: UdpSocket = lean.interpreter.enter(|vm| {
        let scope = vm.new_scope_with_builtins();
        let script = "
import socket
class S(socket.socket): pass
S(socket.AF_INET, socket.SOCK_DGRAM)
";
        let object = vm.run_block_expr(scope, script).unwrap();
        handoff::from_script(&object, vm).unwrap().into()
    });
    assert_eq!(socket.local_addr().unwrap().port(), 0);
}

#[test]
fn nothing_is_left() {
    if !is_alone("nothing_is_left") {
        return;
    }
    let lean = lean();
    let round = || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let back = with(&lean, theirs, "s.sendall(b'x')", |object, vm| {
            let copy = handoff::duplicate(object, vm).unwrap();
            (handoff::from_script(object, vm).unwrap(), copy)
        });
        drop((ours, back));
        lean.interpreter.enter(|vm| {
            let file = File::open("/dev/null").unwrap();
            assert!(handoff::to_script(file, vm).is_err());
        });
    };
    round();
    let descriptors = count_of("fd");
    (0..1000).for_each(|_| round());
    assert_eq!(count_of("fd"), descriptors);
    assert_eq!(lean.handle.counters().open, 0);
    assert_eq!(lean.handle.counters().opened, 1001);
}

/// Tells whether a descriptor is in non-blocking mode.
fn is_nonblocking(fd: &OwnedFd) -> bool {
    let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL).unwrap();
    flags & nix::libc::O_NONBLOCK != 0
}

#[test]
fn a_timeout_is_the_scripts_own() {
    let lean = lean();
    for (script, nonblocking) in [
        ("s.settimeout(5)", false),
        ("s.settimeout(0)", true),
        ("s.settimeout(None)", false),
    ] {
        let (one, _other) = UnixStream::pair().unwrap();
        with(&lean, one, script, |object, vm| {
            let back = handoff::from_script(object, vm).unwrap();
            assert_eq!(is_nonblocking(&back), nonblocking, "{script}");
        });
    }
}

#[test]
fn the_number_of_a_socket_takes_it_from_the_script() {
    let lean = lean();
    let (one, other) = UnixStream::pair().unwrap();
    let number = one.as_raw_fd();
    let script = "s.settimeout(5)";
    with(&lean, one, script, |object, vm| {
        let back = handoff::from_number(number, vm).unwrap();
        assert_eq!(back.as_raw_fd(), number);
        // In the mode in which the script left it.
        assert!(is_nonblocking(&back));
        run_with(object, "assert s.fileno() == -1\ns.close()", vm);
        assert!(handoff::from_number(number, vm).is_err());
        // Nobody else has it: its peer sees the end.
        drop(back);
        assert_eq!((&other).read(&mut [0]).unwrap(), 0);
    });
    assert_eq!(lean.handle.counters().open, 0);
}
