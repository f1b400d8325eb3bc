//! Threads that wait while others change what they wait for.

use loom::sync::Arc;
use loom::thread;
use rustpython_socket_models::{Order, Socket, Thread, Waits, explore};
use std::env;
use std::process::Command;

fn wait_and_change(order: Order) {
    explore(None, move || {
        let waits = Arc::new(Waits::new());
        let changer = {
            let waits = waits.clone();
            thread::spawn(move || waits.change())
        };
        waits.wait(order);
        changer.join().unwrap();
    });
}

#[test]
fn a_wait_ends_by_a_change() {
    wait_and_change(Order::Right);
}

/// Runs a test of this program that has to fail, in a process that it ends.
fn assert_fails(test: &str) {
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command
        .args(["--ignored", "--exact", test])
        .output()
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(
        !output.status.success() && text.contains("deadlock"),
        "{text}"
    );
}

#[test]
fn the_model_finds_an_order_that_loses_a_wake_up() {
    assert_fails("it_looks_before_it_registers");
    assert_fails("it_looks_before_it_blocks_the_signals");
}

#[test]
#[ignore = "has to fail"]
fn it_looks_before_it_registers() {
    wait_and_change(Order::LooksBeforeRegistering);
}

#[test]
#[ignore = "has to fail"]
fn it_looks_before_it_blocks_the_signals() {
    wait_and_change(Order::LooksBeforeBlocking);
}

#[test]
fn two_waits_end_by_one_change() {
    explore(Some(2), || {
        let waits = Arc::new(Waits::new());
        let other = {
            let waits = waits.clone();
            thread::spawn(move || {
                Thread::set_number(1);
                waits.wait(Order::Right);
            })
        };
        let changer = {
            let waits = waits.clone();
            thread::spawn(move || waits.change())
        };
        waits.wait(Order::Right);
        other.join().unwrap();
        changer.join().unwrap();
    });
}

#[test]
fn a_wake_up_without_a_change_loses_none() {
    explore(Some(2), || {
        let waits = Arc::new(Waits::new());
        let waker = {
            let waits = waits.clone();
            thread::spawn(move || waits.wake())
        };
        let changer = {
            let waits = waits.clone();
            thread::spawn(move || waits.change())
        };
        waits.wait(Order::Right);
        waker.join().unwrap();
        changer.join().unwrap();
    });
}

#[test]
fn a_close_ends_the_call_that_waits_and_frees_the_number() {
    explore(None, || {
        let (waits, socket) = (Arc::new(Waits::new()), Arc::new(Socket::new()));
        let closer = {
            let (waits, socket) = (waits.clone(), socket.clone());
            thread::spawn(move || {
                assert!(waits.close(&socket));
                socket.wait_until_idle();
                assert!(!socket.is_open(0));
            })
        };
        waits.wait_for(&socket);
        closer.join().unwrap();
        assert!(!socket.is_open(0));
    });
}
