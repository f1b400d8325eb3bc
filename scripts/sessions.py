"""Sends signals to the processes of a session, which may be in several process groups."""

import contextlib
import os


def members(leader):
    """Yields the processes of the session that `leader` began."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/stat") as file:
                # After the program's name, which may have any characters: state, parent, group, session.
                session = file.read().rpartition(")")[2].split()[3]
            if int(session) == leader:
                yield int(name)


def signal(leader, number):
    """Sends signal `number` to all processes of the session that `leader` began."""
    for process in members(leader):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)
