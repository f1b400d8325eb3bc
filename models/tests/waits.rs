//! Threads that wait while others change what they wait for.

use loom::sync::Arc;
use loom::thread;
use rustpython_socket_models::{Found, Order, Socket, Thread, Waits, explore};
use std::env;
use std::process::Command;

const BOTH: [Found; 2] = [Found::OnList, Found::BySlot];

fn wait_and_change(found: Found, order: Order) {
    explore(None, move || {
        let waits = Arc::new(Waits::new(found));
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
    for found in BOTH {
        wait_and_change(found, Order::Right);
    }
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
    assert_fails("it_looks_before_its_slot_says_that_it_waits");
    assert_fails("it_looks_before_it_blocks_the_signals");
}

#[test]
#[ignore = "has to fail"]
fn it_looks_before_it_registers() {
    wait_and_change(Found::OnList, Order::LooksBeforeRegistering);
}

#[test]
#[ignore = "has to fail"]
fn it_looks_before_its_slot_says_that_it_waits() {
    wait_and_change(Found::BySlot, Order::LooksBeforeRegistering);
}

#[test]
#[ignore = "has to fail"]
fn it_looks_before_it_blocks_the_signals() {
    wait_and_change(Found::OnList, Order::LooksBeforeBlocking);
}

#[test]
fn two_waits_end_by_one_change() {
    for found in BOTH {
        two_waits_and_a_change(found);
    }
}

fn two_waits_and_a_change(found: Found) {
    explore(Some(2), move || {
        let waits = Arc::new(Waits::new(found));
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
    for found in BOTH {
        a_wake_up_and_a_change(found);
    }
}

fn a_wake_up_and_a_change(found: Found) {
    explore(Some(2), move || {
        let waits = Arc::new(Waits::new(found));
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
    for found in BOTH {
        a_wait_and_a_close(found);
    }
}

fn a_wait_and_a_close(found: Found) {
    explore(None, move || {
        let (waits, socket) = (Arc::new(Waits::new(found)), Arc::new(Socket::new()));
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
