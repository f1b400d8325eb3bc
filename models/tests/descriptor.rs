//! A descriptor that is used, closed, given away and replaced at once.

use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::SeqCst;
use loom::thread;
use rustpython_socket_models::{Socket, explore};

/// Runs each of `others` on a thread, and `own` on the model's first.
fn together(
    preemptions: Option<usize>,
    own: impl Fn(&Socket) + Send + Sync + 'static,
    others: &[fn(&Socket)],
    after: impl Fn(&Socket) + Send + Sync + 'static,
) {
    let others = others.to_vec();
    explore(preemptions, move || {
        let socket = Arc::new(Socket::new());
        let threads: Vec<_> = others
            .iter()
            .map(|&other| {
                let socket = socket.clone();
                thread::spawn(move || other(&socket))
            })
            .collect();
        own(&socket);
        for thread in threads {
            thread.join().unwrap();
        }
        after(&socket);
    });
}

fn call(socket: &Socket) {
    socket.call();
}

fn is_closed(socket: &Socket) {
    assert!(!socket.is_open(0) && socket.number() == -1);
    assert!(!socket.close() && socket.leave().is_none() && socket.call().is_none());
}

#[test]
fn the_last_of_two_calls_closes_it() {
    let close = |socket: &Socket| assert!(socket.close());
    together(None, close, &[call, call], is_closed);
}

#[test]
fn close_returns_when_the_number_is_free() {
    let close = |socket: &Socket| {
        assert!(socket.close());
        socket.wait_until_idle();
        assert!(!socket.is_open(0));
        // No call of the socket's uses the number's next owner.
        assert!(socket.install(1) && socket.call() == Some(1));
    };
    together(Some(3), close, &[call, call], |socket| {
        assert_eq!(socket.number(), 1)
    });
}

#[test]
fn one_of_two_threads_closes_it() {
    let close = |socket: &Socket| {
        socket.close();
    };
    together(None, close, &[close, call], is_closed);
}

#[test]
fn it_is_closed_or_left_and_never_both() {
    let leave = |socket: &Socket| {
        if let Some(number) = socket.leave() {
            socket.wait_until_idle();
            // The calls of the socket have ended: the new owner may close it.
            socket.close_left(number);
        }
    };
    let close = |socket: &Socket| {
        socket.close();
    };
    together(Some(3), leave, &[close, call], is_closed);
}

#[test]
fn one_of_two_threads_gets_what_is_left() {
    let leave = |socket: &Socket| {
        if let Some(number) = socket.leave() {
            assert_eq!(socket.leave(), None);
            socket.wait_until_idle();
            socket.close_left(number);
        }
    };
    together(Some(3), leave, &[leave, call], is_closed);
}

#[test]
fn another_descriptor_comes_only_after_the_first() {
    let replace = |socket: &Socket| {
        if socket.install(1) {
            // Whoever sees none finds the number free.
            assert!(!socket.is_open(0));
        }
    };
    let close = |socket: &Socket| assert!(socket.close());
    together(None, close, &[replace, call], |socket| {
        assert!(!socket.is_open(0) || !socket.is_open(1));
    });
}

/// Takes the one connection of a listener, as accept(2) does; false if there is none.
fn accept(connections: &AtomicUsize) -> bool {
    let take = |n: usize| n.checked_sub(1);
    connections.fetch_update(SeqCst, SeqCst, take).is_ok()
}

/// Accepts as a socket does that finds a connection: alone if it can, so that the call does
/// not block, and otherwise in any way. `others` may accept, too.
fn accept_among<const N: usize>(others: [fn(&Socket, &AtomicUsize); N]) {
    explore(None, move || {
        let both = Arc::new((Socket::new(), AtomicUsize::new(1)));
        let threads: Vec<_> = others
            .into_iter()
            .map(|other| {
                let both = both.clone();
                thread::spawn(move || other(&both.0, &both.1))
            })
            .collect();
        let (socket, connections) = &*both;
        let is_there = || connections.load(SeqCst) > 0;
        socket.call_alone(|| assert!(!is_there() || accept(connections), "it blocks"));
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(socket.number() == 0 || !socket.is_open(0));
    });
}

#[test]
fn no_other_call_takes_what_a_call_finds_that_is_alone() {
    let other = |socket: &Socket, connections: &AtomicUsize| {
        socket.call_during(|| {
            accept(connections);
        });
    };
    accept_among([other]);
}

#[test]
fn nobody_knows_the_number_while_a_call_is_alone() {
    // Whoever knows the number has a duplicate, and accepts without the socket.
    let stranger = |socket: &Socket, connections: &AtomicUsize| {
        assert!(socket.share() == 0 && socket.is_shared());
        assert!(!socket.call_alone(|| {}));
        accept(connections);
    };
    accept_among([stranger]);
}

#[test]
fn a_descriptor_may_be_closed_while_a_call_is_alone() {
    let close = |socket: &Socket, _: &AtomicUsize| {
        assert!(socket.close());
        socket.wait_until_idle();
        assert!(!socket.is_open(0));
    };
    accept_among([close]);
}

#[test]
fn another_descriptor_is_not_bound_by_the_first() {
    explore(None, || {
        let socket = Arc::new(Socket::new());
        let binder = {
            let socket = socket.clone();
            thread::spawn(move || socket.bind())
        };
        assert!(socket.close());
        let is_replaced = socket.install(1);
        let bound = binder.join().unwrap();
        assert!(is_replaced || socket.install(1));
        assert_eq!(socket.is_bound(), bound == Some(1));
    });
}
