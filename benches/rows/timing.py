"""Measures how long something takes."""

import sys
import time

# Seconds that one pass takes, how many passes the best is taken of, and whether
# each waits for its turn.
PASS = 0.1
PASSES = 3
TURNS = False

# What a program says before a pass. It begins once there is a line to read.
TURN = "turn"


def settle(seconds_of_a_pass, passes, turns=False):
    """Sets how long and how often each row is measured from now on."""
    global PASS, PASSES, TURNS
    PASS, PASSES, TURNS = seconds_of_a_pass, passes, turns


def seconds(work):
    """Seconds a round, the best of some passes. `work(n)` does n rounds."""
    rounds = 1
    while True:
        took = once(work, rounds)
        if took > PASS / 4:
            break
        rounds *= 2
    rounds = max(1, int(rounds * PASS / took))
    best = float("inf")
    for _ in range(PASSES):
        if TURNS:
            wait_for_turn()
        best = min(best, once(work, rounds))
    return best / rounds


def wait_for_turn():
    print(TURN, flush=True)
    if not sys.stdin.readline():
        sys.exit("nobody waits for the result")


def once(work, rounds):
    start = time.perf_counter()
    work(rounds)
    return time.perf_counter() - start
