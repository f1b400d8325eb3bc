//! A process whose threads change its memory while one of them calls fork(2).

use loom::sync::Arc;
use loom::thread;
use rustpython_socket_models::{Process, explore};

/// Runs `own` on the model's first thread, and each of `others` on a thread.
fn together(preemptions: Option<usize>, own: fn(&Process), others: &[fn(&Process)]) {
    let others = others.to_vec();
    explore(preemptions, move || {
        let process = Arc::new(Process::new());
        let threads: Vec<_> = others
            .iter()
            .map(|&other| {
                let process = process.clone();
                thread::spawn(move || other(&process))
            })
            .collect();
        own(&process);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Calls fork(2) from thread `number`. Each change is whole in the child.
fn fork_from(process: &Process, number: usize) {
    for [one, other] in process.fork(number) {
        assert_eq!(one, other);
    }
}

fn fork(process: &Process) {
    fork_from(process, 2);
}

fn change(process: &Process) {
    process.change(0);
}

#[test]
fn fork_waits_for_the_end_of_each_change() {
    together(None, fork, &[change]);
    together(Some(2), fork, &[change, |process| process.change(1)]);
}

#[test]
fn a_place_is_used_again_while_fork_reads_it() {
    together(
        None,
        fork,
        &[|process| {
            process.change(0);
            process.change(1);
        }],
    );
}

#[test]
fn two_threads_call_fork() {
    together(Some(2), fork, &[change, |process| fork_from(process, 1)]);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn the_model_finds_a_copy_that_does_not_wait() {
    let copy = |process: &Process| {
        process.copy();
    };
    together(None, copy, &[change]);
}
