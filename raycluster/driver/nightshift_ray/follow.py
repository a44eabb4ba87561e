"""Follows the slots of a pool by the program's own command: Python needs no NATS library for it."""

from __future__ import annotations

import json
import subprocess
import threading
import time

from nightshift_ray import process
from nightshift_ray.slots import Pauses


class Follower:
    """The latest record of a pool. What it printed last holds while the command is started again. RD5."""

    def __init__(self, program: str, pool: str, log) -> None:
        self._command = [program, "slots", "--pool", pool]
        self._log = log
        self._latest: dict | None = None
        self._ending = threading.Event()
        self._child: subprocess.Popen | None = None
        self._thread = threading.Thread(target=self._run, name="slots", daemon=True)
        self._thread.start()

    def latest(self) -> dict | None:
        """The record, None while none was heard of."""
        return self._latest

    def close(self) -> None:
        self._ending.set()
        if self._child is not None:
            self._child.terminate()
        self._thread.join(10)

    def _run(self) -> None:
        pauses = Pauses()
        while not self._ending.is_set():
            began = time.monotonic()
            self._child = process.start(self._command, stdout=subprocess.PIPE)
            if self._ending.is_set():
                self._child.terminate()
            for line in self._child.stdout:
                try:
                    self._latest = json.loads(line)
                except ValueError:
                    self._log("the slots are not JSON: %.200r", line)
            code, now = self._child.wait(), time.monotonic()
            pause = pauses.ended(0, now - began, now)
            if not self._ending.is_set():
                self._log("the command that prints the slots ended with %d; the next in %.0f s", code, pause)
            self._ending.wait(pause)
