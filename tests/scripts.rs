//! Scripts on a VM that has no standard library at all.

mod support;

use rustpython_socket::SocketModule;
use support::Lean;

#[test]
fn an_echo_over_tcp() {
    let source = r#"
import socket
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
client = socket.socket()
client.connect(server.getsockname())
connection, peer = server.accept()
assert peer == client.getsockname(), peer
assert client.send(b"hello") == 5
assert connection.recv(64) == b"hello"
connection.sendall(b"x" * 100000)
data = b""
while len(data) < 100000:
    data += client.recv(65536)
assert data == b"x" * 100000
buf = bytearray(10)
connection.send(b"abc")
assert client.recv_into(buf) == 3 and buf[:3] == b"abc"
client.settimeout(0.01)
try:
    client.recv(1)
except TimeoutError as e:
    assert str(e) == "timed out" and e.errno is None
else:
    assert False
client.setblocking(False)
try:
    client.recv(1)
except BlockingIOError as e:
    assert e.args == (11, "Resource temporarily unavailable"), e.args
else:
    assert False
connection.close()
client.settimeout(None)
assert client.recv(5) == b""
assert "raddr" not in repr(connection) and "[closed]" in repr(connection)
client.close()
try:
    client.recv(1)
except OSError as e:
    assert e.errno == 9
else:
    assert False
server.close()
"#;
    Lean::new(SocketModule::new()).run(source);
}
