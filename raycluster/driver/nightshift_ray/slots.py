"""What shall run where, and what has to be done about it. Nothing in here knows Ray or a clock."""

from __future__ import annotations

from dataclasses import dataclass, field

LONGEST_PAUSE = 30.0  # seconds
OWN_WITHIN = 60.0  # seconds that the record may still be of an earlier cluster when a driver begins
QUIET_AFTER = 60.0  # seconds that a worker has to run until its slot counts as healthy again


@dataclass(frozen=True)
class Place:
    """A slot, and where its worker belongs."""

    slot: int
    n: int  # number within the replica
    pod: str


@dataclass(frozen=True)
class Node:
    """A Ray node that is alive. started is in milliseconds since 1970."""

    id: str
    pod: str
    started: int


@dataclass
class Running:
    """An actor. up says that its worker has begun."""

    place: Place
    node: str
    since: float
    up: bool = False


@dataclass
class Decision:
    start: list[tuple[Place, str]] = field(default_factory=list)  # with the id of the node
    forget: list[int] = field(default_factory=list)  # slots


def wanted(record: dict) -> dict[int, Place]:
    """The places that a record names, by slot. RD4, RD7."""
    per_replica, slots = int(record["perReplica"]), int(record["slots"])
    places = {}
    for replica in record.get("replicas") or []:
        pods = replica.get("pods") or []
        if replica.get("leaving") or not pods:
            continue
        for n in range(min(slots, per_replica)):
            slot = int(replica["index"]) * per_replica + n
            places[slot] = Place(slot, n, pods[n % len(pods)])
    return places


def leaving(record: dict) -> set[str]:
    """The pods that the record lets go, whoever takes them away. RD17."""
    return {pod for replica in record.get("replicas") or [] if replica.get("leaving") for pod in replica.get("pods") or []}


class Drains:
    """Which nodes Ray has been told of, and how long it waits until Ray is told again of one where that failed: 1, 2, 4 ... 30 seconds. RD17."""

    def __init__(self) -> None:
        self._accepted: set[str] = set()
        self._failed: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def due(self, nodes: list[Node], pods: set[str], now: float) -> list[Node]:
        """The nodes of these pods that Ray has to be told of: each that is alive, for a raylet that was started again knows nothing of what was said to the one before."""
        alive = {node.id for node in nodes}
        self._accepted &= alive
        for known in (self._failed, self._until):
            for node in [node for node in known if node not in alive]:
                del known[node]
        return [node for node in nodes if node.pod in pods and node.id not in self._accepted and now >= self._until.get(node.id, 0.0)]

    def accepted(self, node: str) -> None:
        self._accepted.add(node)

    def failed(self, node: str, now: float) -> float:
        """Counts a failure, and gives the pause that follows it."""
        count = self._failed.get(node, 0)
        pause = min(2.0 ** min(count, 10), LONGEST_PAUSE)
        self._failed[node], self._until[node] = count + 1, now + pause
        return pause

    def usable(self, nodes: list[Node]) -> list[Node]:
        """The nodes that Ray has not been told of: it starts nothing on the others."""
        return [node for node in nodes if node.id not in self._accepted]


class Cluster:
    """Whether records hold for the cluster that a driver was submitted to. RD3."""

    def __init__(self, own: str, now: float) -> None:
        self._own, self._seen, self._until = own, False, now + OWN_WITHIN

    def own(self, record: dict) -> bool:
        """Whether the record is of this cluster."""
        return record["cluster"] == self._own

    def over(self, record: dict, now: float) -> bool:
        """Whether the record is of another life of the cluster: not while it may be left over from an earlier one."""
        self._seen = self._seen or self.own(record)
        return not self.own(record) and (self._seen or now >= self._until)


def newest(nodes: list[Node]) -> dict[str, Node]:
    """The node of each pod: the one that started last, where an earlier one has not been declared dead yet. RD10."""
    found: dict[str, Node] = {}
    for node in nodes:
        other = found.get(node.pod)
        if node.pod and (other is None or node.started > other.started):
            found[node.pod] = node
    return found


class Pauses:
    """How long a slot waits for its next worker: nothing, then 1, 2, 4 ... 30 seconds, until one has run for a while. RD8."""

    def __init__(self) -> None:
        self._quick: dict[int, int] = {}
        self._until: dict[int, float] = {}

    def ended(self, slot: int, ran: float, now: float) -> float:
        """Counts an end, and gives the pause that follows it."""
        quick = 1 if ran >= QUIET_AFTER else self._quick.get(slot, 0) + 1
        self._quick[slot] = quick
        pause = min(2.0 ** min(quick - 1, 10), LONGEST_PAUSE)
        self._until[slot] = now + pause
        return pause

    def over(self, slot: int, now: float) -> bool:
        return now >= self._until.get(slot, 0.0)

    def keep(self, slots: set[int]) -> None:
        """Forgets the slots that nobody names any more."""
        for known in (self._quick, self._until):
            for slot in [slot for slot in known if slot not in slots]:
                del known[slot]


def decide(
    places: dict[int, Place], nodes: list[Node], usable: list[Node], running: dict[int, Running], pauses: Pauses, now: float
) -> Decision:
    """What to start, on a usable node, and what to forget. A worker that runs is left alone, whatever the record says of its slot (RD7)."""
    decision = Decision()
    alive, of_pod = {node.id for node in nodes}, newest(nodes)
    for slot, actor in sorted(running.items()):
        current = of_pod.get(actor.place.pod)
        lost = actor.node not in alive or (current is not None and current.id != actor.node)
        if lost or (not actor.up and places.get(slot) != actor.place):
            decision.forget.append(slot)
    for slot, place in sorted(places.items()):
        free, node = slot not in running or slot in decision.forget, of_pod.get(place.pod)
        if free and node in usable and pauses.over(slot, now):
            decision.start.append((place, node.id))
    return decision
