"""The driver's loop: what `slots` decides, done with Ray."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

import ray
from ray._raylet import GcsClient
from ray.core.generated.autoscaler_pb2 import DrainNodeReason
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nightshift_ray.actor import NightshiftWorker
from nightshift_ray.follow import Follower
from nightshift_ray.process import runnable
from nightshift_ray.slots import Cluster, Drains, Node, Pauses, Place, Running, decide, leaving, wanted

TICK = 0.5  # seconds
DRAIN_WITHIN = 2.0  # seconds that Ray has to take a drain
PROGRAM = "./nightshift"  # in the package, which is the working directory of drivers and actors


def log(text: str, *values) -> None:
    print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), text % values, flush=True)


@dataclass
class Actor(Running):
    """A worker's actor; ended is the result of its run."""

    id: str = ""
    handle: object = None
    begun: object = None
    ended: object = None


class Driver:
    """Keeps the slots of one pool filled until it is told to end. config is what raycluster/driver of the program writes, field by field."""

    def __init__(self, config: dict) -> None:
        self._config = config
        self._gcs = GcsClient(address=ray.get_runtime_context().gcs_address)
        self._nodes: list[Node] = []
        self._actors: dict[int, Actor] = {}
        self._pauses = Pauses()
        self._drains = Drains()
        self._cluster = Cluster(config["cluster"], time.monotonic())
        self.ending = threading.Event()

    def run(self) -> None:
        """Returns when it was told to end, or when the record names another cluster. No worker runs then."""
        follower = Follower(runnable(PROGRAM), self._config["pool"], log)
        try:
            while not self.ending.is_set():
                self._look()
                self._reap()
                record = follower.latest()
                if record is not None:
                    if self._cluster.over(record, time.monotonic()):
                        log("the record is of cluster %s, and this driver of %s", record["cluster"], self._config["cluster"])
                        return
                    if self._cluster.own(record):
                        self._follow(record)
                self._wait()
        finally:
            follower.close()
            self._stop()

    def _look(self) -> None:
        """Reads the nodes that are alive. Where Ray does not answer, the last ones hold."""
        try:
            infos = self._gcs.get_all_node_info(timeout=5)
        except Exception as error:  # noqa: BLE001 - Ray has no one type for this, and the workers go on without it
            log("Ray does not say which nodes there are: %s", error)
            return
        self._nodes = [
            Node(info.node_id.hex(), info.instance_id, info.start_time_ms) for info in infos.values() if info.state == info.ALIVE
        ]

    def _reap(self) -> None:
        """Takes note of workers that have begun and of those that have ended. RD8."""
        for slot, actor in list(self._actors.items()):
            if not actor.up and ray.wait([actor.begun], timeout=0)[0]:
                actor.up = True
            if ray.wait([actor.ended], timeout=0)[0]:
                self._forget(slot, _how(actor.ended))

    def _forget(self, slot: int, how: str) -> None:
        actor = self._actors.pop(slot)
        ray.kill(actor.handle)  # so that its resources are free at once; it may be gone
        now = time.monotonic()
        pause = self._pauses.ended(slot, now - actor.since, now)
        log("end in slot %d: %s %s; no other within %.0f s", slot, actor.id, how, pause)

    def _drain(self, pods: set[str]) -> None:
        """Tells Ray of nodes that leave, so that nobody else's work is placed there. What runs there goes on, our workers too, and keeps the node: it ends when it is idle. RD17."""
        for node in self._drains.due(self._nodes, pods, time.monotonic()):
            why = f"nightshift lets pod {node.pod} go, of pool {self._config['pool']}"
            try:
                # The other reason, idleness, is refused while anybody works there; and what is lost by a preemption counts against nobody's retries. 0: nobody knows when.
                taken, words = self._gcs.drain_node(node.id, DrainNodeReason.DRAIN_NODE_REASON_PREEMPTION, why, 0, timeout=DRAIN_WITHIN)
            except Exception as error:  # noqa: BLE001 - Ray has no one type for this, and the node goes in any case
                taken, words = False, str(error)
            if taken:
                self._drains.accepted(node.id)
                log("drain of node %s: %s", node.id, why)
                continue
            pause = self._drains.failed(node.id, time.monotonic())
            log("Ray does not drain node %s of pod %s: %s; the pod goes in any case, and Ray is told again in %.0f s", node.id, node.pod, words, pause)
            return  # where Ray does not answer it would not for the others

    def _follow(self, record: dict) -> None:
        self._drain(leaving(record))
        places = wanted(record)
        self._pauses.keep(set(places) | set(self._actors))
        decision = decide(places, self._nodes, self._drains.usable(self._nodes), self._actors, self._pauses, time.monotonic())
        for slot in decision.forget:
            self._forget(slot, "is on a node that has died" if self._actors[slot].up else "had not begun, and is not wanted here any more")
        for place, node in decision.start:
            self._start(place, node)

    def _start(self, place: Place, node: str) -> None:
        """RD4, RD6."""
        name = f"{place.pod}-{place.n}-{_generation()}"
        lock = os.path.join(tempfile.gettempdir(), f"nightshift-{self._config['pool']}-{place.pod}-{place.slot}.lock")
        handle = NightshiftWorker.options(
            name=name,
            namespace="nightshift",
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node, soft=False),
            **self._config["resources"],
        ).remote(self._config["graceSeconds"])
        command = [PROGRAM, "worker", "--id", name, "--pool", self._config["pool"], "--slot", str(place.slot), *self._config["worker"]]
        ended, begun = handle.run.remote(command, lock), handle.begun.remote()
        self._actors[place.slot] = Actor(place, node, time.monotonic(), id=name, handle=handle, begun=begun, ended=ended)
        log("start in slot %d: %s on node %s", place.slot, name, node)

    def _wait(self) -> None:
        running = [actor.ended for actor in self._actors.values()]
        if running:
            ray.wait(running, timeout=TICK)
        else:
            self.ending.wait(TICK)

    def _stop(self) -> None:
        """Lets every worker hand back what it holds. RD12."""
        log("ends, with %d workers", len(self._actors))
        for actor in self._actors.values():
            if actor.up:
                actor.handle.stop.remote()
            else:
                ray.kill(actor.handle)
        ended = [actor.ended for actor in self._actors.values()]
        if ended:
            ray.wait(ended, num_returns=len(ended), timeout=self._config["graceSeconds"] + 8)


def _generation() -> str:
    """Tells apart the workers of a slot: the start in milliseconds, base 36, as the local engine has it."""
    number, text = int(time.time() * 1000), ""
    while number:
        number, digit = divmod(number, 36)
        text = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + text
    return text


def _how(ended) -> str:
    try:
        code = ray.get(ended, timeout=5)
    except ray.exceptions.RayError as error:  # what the actor raised, or that it died
        return "failed: " + (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"


def main(config: dict) -> int:
    if sys.platform != "linux":
        log("workers end with their actors on Linux only; this is %s", sys.platform)
        return 2
    ray.init(address="auto", log_to_driver=False, namespace="nightshift")
    driver = Driver(config)
    signal.signal(signal.SIGTERM, lambda *_: driver.ending.set())  # in place of Ray's own, which ends at once
    driver.run()
    ray.shutdown()
    return 0
