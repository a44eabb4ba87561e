"""Child processes that end with the process that has started them."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

# A Python of its own, which then becomes the program: a fork of a process with Ray's threads must not run Python code. The kernel sends SIGTERM (a worker
# hands back its shard) when the parent ends; where it has ended before that was asked for, nothing is started.
_TIED = """
import ctypes, os, sys
if ctypes.CDLL(None, use_errno=True).prctl(1, 15, 0, 0, 0) != 0 or os.getppid() != int(sys.argv[1]):
    sys.exit(70)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def start(command: list[str], **options) -> subprocess.Popen:
    """Starts a command that gets a SIGTERM when this process ends, in whatever way. RD11."""
    tied = [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]
    # A session of its own: a raylet kills the process group of an actor that ends, which would leave a worker no time.
    return subprocess.Popen(tied, stdin=subprocess.DEVNULL, start_new_session=True, **options)


def runnable(program: str) -> str:
    """The path of a program of the package, made executable: older versions of Ray unpack it as data (2.44 does, 2.60 does not). RD15."""
    path = os.path.abspath(program)
    if not os.access(path, os.X_OK):
        os.chmod(path, 0o755)
    return path


class Taken(Exception):
    """Another worker is still in the slot."""


@contextmanager
def held(path: str, within: float, given_up: threading.Event):
    """Holds the lock of a slot on this machine, which the worker and its scorer inherit: whoever is left over from an earlier actor holds it until it is gone. RD10."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + within
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until or given_up.wait(0.2):
                    raise Taken(f"a worker of an earlier actor has not left the slot within {within:.0f} s ({path})") from None
        yield lock
    finally:
        os.close(lock)


class Worker:
    """One worker's life."""

    def __init__(self, grace: float) -> None:
        self._longest = grace + 5.0  # the worker hands back its shard within the grace
        self._stopped = threading.Event()
        self._begun = threading.Event()
        self._guard = threading.Lock()
        self._child: subprocess.Popen | None = None

    def run(self, command: list[str], lock: str, env: dict[str, str]) -> int:
        """Runs the worker until it ends, and gives its exit code; negative: a signal."""
        try:
            with held(lock, self._longest, self._stopped) as descriptor:
                with self._guard:
                    if self._stopped.is_set():
                        return 0
                    self._child = start(command, pass_fds=(descriptor,), env=env)
                self._begun.set()
                return self._child.wait()
        finally:
            self._begun.set()

    def begun(self) -> None:
        """Returns when the worker has begun, or will not begin any more. RD7."""
        self._begun.wait()

    def stop(self) -> None:
        """Tells the worker to end, and returns when it has. RD12."""
        with self._guard:
            self._stopped.set()
            child = self._child
        if child is None:
            return
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(self._longest)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
