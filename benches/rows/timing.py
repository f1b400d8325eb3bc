"""How long something takes."""

import time

# Seconds that one pass takes, and how many passes the best is taken of.
PASS = 0.1
PASSES = 3


def settle(seconds_of_a_pass, passes):
    """How carefully to measure from now on."""
    global PASS, PASSES
    PASS, PASSES = seconds_of_a_pass, passes


def seconds(work):
    """Seconds a round, the best of some passes. `work(n)` does n rounds."""
    rounds = 1
    while True:
        took = once(work, rounds)
        if took > PASS / 4:
            break
        rounds *= 2
    rounds = max(1, int(rounds * PASS / took))
    return min(once(work, rounds) for _ in range(PASSES)) / rounds


def once(work, rounds):
    start = time.perf_counter()
    work(rounds)
    return time.perf_counter() - start
