//! The methods of `_socket.socket`, each forwarding to the file that has its
//! logic.

use super::{BaseSocket, connection, lifecycle, message, options, stream};
use crate::bridge::Data;
use crate::bridge::args::{self, Int, Size};
use crate::net::Timeout;
use crate::vm::method::{OrNone, OrZero, methods};
use rustpython_vm::PyObjectRef;
use std::vec::IntoIter;

methods! {
pub(super) const METHODS: BaseSocket;

positional {
    /// Wait for a connection: the pair (descriptor, peer's address). accept(2).
    fn _accept(zelf, vm) {
        connection::accept_number(zelf, vm)
    }

    /// Give the socket a local address. bind(2).
    ///
    /// For AF_INET it is (host, port), for AF_INET6 (host, port, flowinfo,
    /// scope_id) with the last two optional, for AF_UNIX a path. An empty host
    /// is every address of this machine, port 0 any free one.
    fn bind(zelf, vm, object: PyObjectRef) {
        connection::bind(zelf, &object, vm)
    }

    /// Close the socket. Calls that wait on it in other threads fail with EBADF.
    fn close(zelf, vm) {
        lifecycle::close_descriptor(zelf, vm)
    }

    /// Connect to a peer. connect(2).
    ///
    /// Addresses are as for bind(). With a timeout, TimeoutError is raised if
    /// there is no connection in time.
    fn connect(zelf, vm, object: PyObjectRef) {
        connection::connect(zelf, &object, vm)
    }

    /// Connect to a peer, and return an errno number instead of raising OSError.
    ///
    /// 0 is success. A host that cannot be found is raised all the same.
    fn connect_ex(zelf, vm, object: PyObjectRef) {
        connection::connect_ex(zelf, &object, vm)
    }

    /// Give the descriptor away without closing it: its number, -1 if closed.
    fn detach(zelf, vm) {
        lifecycle::detach(zelf, vm)
    }

    /// The descriptor's number, -1 once closed.
    fn fileno(zelf, vm) {
        zelf.socket.descriptor.number()
    }

    /// The peer's address. getpeername(2).
    fn getpeername(zelf, vm) {
        connection::getpeername(zelf, vm)
    }

    /// The socket's own address. getsockname(2).
    fn getsockname(zelf, vm) {
        connection::getsockname(zelf, vm)
    }

    /// A socket option: an int, or with buflen up to that many bytes. getsockopt(2).
    ///
    /// The level is SOL_SOCKET or a protocol, as IPPROTO_TCP; the option one of
    /// that level, as SO_ERROR or TCP_NODELAY.
    fn getsockopt(zelf, vm, level: Int, option: Int, buflen: OrZero<Int>) {
        options::getsockopt(zelf, level.0, option.0, buflen.0.0, vm)
    }

    /// True unless the timeout is 0.
    fn getblocking(zelf, vm) {
        zelf.call_timeout() != Timeout::NonBlocking
    }

    /// The timeout in seconds, None for none.
    fn gettimeout(zelf, vm) {
        args::timeout_object(zelf.call_timeout(), vm)
    }

    /// Accept connections. listen(2).
    ///
    /// At most backlog of them wait to be accepted.
    fn listen(zelf, vm, backlog: connection::Backlog) {
        connection::listen(zelf, backlog, vm)
    }

    /// Receive up to bufsize bytes; b'' when the peer has finished. recv(2).
    ///
    /// Waits until there is at least one byte: with a timeout no longer than
    /// that, then TimeoutError; not at all if the socket does not block, then
    /// BlockingIOError. A stream has no messages: one recv() may return less
    /// than the peer sent at once, or more. flags are MSG_ numbers, such as
    /// MSG_PEEK to leave the bytes where they are.
    ///
    /// With MSG_TRUNC the result is as long as the datagram, whatever bufsize is,
    /// with zeros for what did not fit: len(s.recv(1, MSG_PEEK | MSG_TRUNC)) is the
    /// length of the next one.
    fn recv(zelf, vm, bufsize: Size, flags: OrZero<Int>) {
        stream::recv(zelf, bufsize.0, flags.0.0, vm)
    }

    /// Receive up to bufsize bytes: the pair (bytes, sender's address). recvfrom(2).
    ///
    /// The rest of a longer datagram is lost. Waits like recv().
    fn recvfrom(zelf, vm, bufsize: Size, flags: OrZero<Int>) {
        stream::recvfrom(zelf, bufsize.0, flags.0.0, vm)
    }

    /// Receive data and ancillary data: the tuple (bytes, [(level, type, bytes),
    /// ...], flags, sender's address). recvmsg(2).
    fn recvmsg(zelf, vm, bufsize: Size, ancbufsize: OrZero<Size>, flags: OrZero<Int>) {
        message::recvmsg(zelf, bufsize.0, ancbufsize.0.0, flags.0.0, vm)
    }

    /// Like recvmsg(), into writable buffers: the first item is the number of bytes,
    /// with MSG_TRUNC that of the datagram.
    fn recvmsg_into(
        zelf,
        vm,
        buffers: PyObjectRef,
        ancbufsize: OrZero<Size>,
        flags: OrZero<Int>,
    ) {
        message::recvmsg_into(zelf, &buffers, ancbufsize.0.0, flags.0.0, vm)
    }

    /// Send bytes: how many were sent, which can be fewer. send(2).
    ///
    /// Use sendall() to have all of them sent. flags are MSG_ numbers.
    fn send(zelf, vm, data: Data, flags: OrZero<Int>) {
        stream::send(zelf, &data, flags.0.0, vm)
    }

    /// Send all of the bytes. The timeout is for the whole, not for each part.
    ///
    /// After an error nobody can say how many were sent.
    fn sendall(zelf, vm, data: Data, flags: OrZero<Int>) {
        stream::sendall(zelf, &data, flags.0.0, vm)
    }

    /// Send the bytes of several buffers and ancillary data, each item of which
    /// is (level, type, bytes): how many bytes were sent. sendmsg(2).
    fn sendmsg(
        zelf,
        vm,
        buffers: PyObjectRef,
        ancdata: OrNone,
        flags: OrZero<Int>,
        address: Option<PyObjectRef>,
    ) {
        let (ancdata, address) = (ancdata.0.as_deref(), address.as_deref());
        message::sendmsg(zelf, &buffers, ancdata, flags.0.0, address, vm)
    }

    /// Let every call wait as long as it takes if true, not at all if false.
    ///
    /// The same as settimeout(None) and settimeout(0).
    fn setblocking(zelf, vm, object: PyObjectRef) {
        options::setblocking(zelf, &object, vm)
    }

    /// Let every call wait that many seconds at most; None for ever, 0 not at all.
    ///
    /// A call that is out of time raises TimeoutError; one that would have to
    /// wait and may not, BlockingIOError.
    fn settimeout(zelf, vm, object: PyObjectRef) {
        options::settimeout(zelf, &object, vm)
    }

    /// Shut down one half of the connection or both: SHUT_RD, SHUT_WR,
    /// SHUT_RDWR. shutdown(2).
    ///
    /// After SHUT_WR the peer's recv() returns b'' once it has everything.
    fn shutdown(zelf, vm, object: Int) {
        connection::shutdown(zelf, object.0, vm)
    }
}

named {
    /// Receive into a writable buffer, all of it if nbytes is 0: the number of bytes,
    /// with MSG_TRUNC that of the datagram.
    fn recv_into(zelf, vm, buffer: PyObjectRef, nbytes: OrZero<Size>, flags: OrZero<Int>) {
        stream::recv_into(zelf, &buffer, nbytes.0.0, flags.0.0, vm)
    }

    /// Receive into a writable buffer: the pair (number of bytes, sender's address).
    fn recvfrom_into(zelf, vm, buffer: PyObjectRef, nbytes: OrZero<Size>, flags: OrZero<Int>) {
        stream::recvfrom_into(zelf, &buffer, nbytes.0.0, flags.0.0, vm)
    }
}

varargs {
    /// sendto(data[, flags], address)
    ///
    /// Send bytes to an address: how many were sent. sendto(2).
    fn sendto(zelf, vm, given: IntoIter<PyObjectRef>) {
        stream::sendto(zelf, given, vm)
    }

    /// setsockopt(level, option, value)
    /// setsockopt(level, option, None, optlen)
    ///
    /// Set a socket option to an int, to bytes, or to nothing of that length.
    /// setsockopt(2). Levels and options are as for getsockopt().
    fn setsockopt(zelf, vm, given: IntoIter<PyObjectRef>) {
        options::setsockopt(zelf, given, vm)
    }
}
}
