"""The actor that stands for a worker in Ray: `ray list actors` and the dashboard show it by the worker's name."""

from __future__ import annotations

import os

import ray

from nightshift_ray.process import Worker, runnable


@ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=3)
class NightshiftWorker:
    """Runs one worker, which lives inside the actor's resources, and ends with it."""

    def __init__(self, grace: float) -> None:
        self._worker = Worker(grace)

    def run(self, command: list[str], lock: str) -> int:
        here = os.getcwd()  # the package: the program, and the scorer host for scorers wherever they run
        path = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
        return self._worker.run([runnable(command[0]), *command[1:]], lock, {**os.environ, "PYTHONPATH": ":".join(path)})

    def begun(self) -> None:
        self._worker.begun()

    def stop(self) -> None:
        self._worker.stop()
