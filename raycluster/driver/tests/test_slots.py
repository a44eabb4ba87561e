"""Cases RD4 to RD10 and RD17 of docs/ray-driver.md, decided without Ray."""

import unittest

from nightshift_ray.slots import (
    OWN_WITHIN,
    Cluster,
    Drains,
    Node,
    Pauses,
    Place,
    Running,
    decide,
    leaving,
    newest,
    wanted,
)


def record(*replicas, slots=2, per_replica=4):
    return {"pool": "gpu", "cluster": "c", "perReplica": per_replica, "slots": slots, "replicas": list(replicas)}


def replica(index, *pods, leaving=False):
    return {"index": index, "pods": list(pods), **({"leaving": True} if leaving else {})}


A0, A1 = Place(0, 0, "a"), Place(1, 1, "a")
NODE_A = Node("node-a", "a", 1)


class Wanted(unittest.TestCase):
    def test_slots_of_replicas(self):  # RD4
        self.assertEqual(wanted(record(replica(0, "a"), replica(2, "b"))), {0: A0, 1: A1, 8: Place(8, 0, "b"), 9: Place(9, 1, "b")})

    def test_hosts_of_a_replica_take_turns(self):  # RD4
        places = wanted(record(replica(0, "a", "b", "c"), slots=4))
        self.assertEqual([places[slot].pod for slot in range(4)], ["a", "b", "c", "a"])

    def test_leaving_replicas_have_none(self):  # RD7
        self.assertEqual(wanted(record(replica(0, "a", leaving=True))), {})

    def test_nothing_is_named(self):  # RD4
        self.assertEqual(wanted(record()), {})
        self.assertEqual(wanted({"pool": "gpu", "cluster": "c", "perReplica": 1, "slots": 1}), {})
        self.assertEqual(wanted(record(replica(0))), {})

    def test_never_into_the_next_replica(self):  # RD4
        self.assertEqual(sorted(wanted(record(replica(0, "a"), slots=3, per_replica=2))), [0, 1])


class OfACluster(unittest.TestCase):
    def test_another_life_after_the_own(self):  # RD3
        cluster = Cluster("own", 100.0)
        self.assertTrue(cluster.own({"cluster": "own"}))
        self.assertFalse(cluster.over({"cluster": "own"}, 101.0))
        self.assertTrue(cluster.over({"cluster": "other"}, 102.0))

    def test_a_record_that_is_left_over_is_waited_for(self):  # RD3
        cluster = Cluster("own", 100.0)
        self.assertFalse(cluster.over({"cluster": "earlier"}, 99.9 + OWN_WITHIN))
        self.assertTrue(cluster.over({"cluster": "earlier"}, 100.0 + OWN_WITHIN))
        self.assertFalse(cluster.over({"cluster": "own"}, 100.0 + OWN_WITHIN))


class Newest(unittest.TestCase):
    def test_of_two_nodes_of_a_pod(self):  # RD10
        old, new = Node("old", "a", 1), Node("new", "a", 2)
        for order in ([old, new], [new, old]):
            self.assertEqual(newest(order), {"a": new})

    def test_nodes_without_a_pod(self):  # RD5
        self.assertEqual(newest([Node("head", "", 1)]), {})


class Pause(unittest.TestCase):
    def test_grows_and_is_forgotten(self):  # RD8
        pauses, now = Pauses(), 100.0
        seen = []
        for _ in range(7):
            seen.append(pauses.ended(3, 1.0, now))
        self.assertEqual(seen, [1, 2, 4, 8, 16, 30, 30])
        self.assertFalse(pauses.over(3, now + 29.9))
        self.assertTrue(pauses.over(3, now + 30))
        self.assertEqual(pauses.ended(3, 60.0, now), 1)

    def test_is_of_one_slot(self):  # RD8
        pauses = Pauses()
        pauses.ended(3, 1.0, 0.0)
        self.assertTrue(pauses.over(4, 0.0))

    def test_slots_that_nobody_names_are_forgotten(self):  # RD8
        pauses = Pauses()
        pauses.ended(3, 1.0, 0.0)
        pauses.keep({4})
        self.assertTrue(pauses.over(3, 0.0))


class Drain(unittest.TestCase):
    def test_of_pods_that_leave(self):  # RD17
        self.assertEqual(leaving(record(replica(0, "a"), replica(1, "b", "c", leaving=True), replica(2, leaving=True))), {"b", "c"})
        self.assertEqual(leaving({"replicas": None}), set())

    def test_each_node_once(self):  # RD17
        drains, again = Drains(), Node("again", "a", 2)
        self.assertEqual(drains.due([NODE_A, Node("other", "b", 1), Node("head", "", 1)], {"a"}, 0.0), [NODE_A])
        drains.accepted("node-a")
        self.assertEqual(drains.due([NODE_A], {"a"}, 0.0), [])
        self.assertEqual(drains.due([NODE_A, again], {"a"}, 0.0), [again])

    def test_what_fails_is_tried_again_later(self):  # RD17
        drains = Drains()
        self.assertEqual([drains.failed("node-a", 100.0) for _ in range(7)], [1, 2, 4, 8, 16, 30, 30])
        self.assertEqual(drains.due([NODE_A, Node("other", "a", 2)], {"a"}, 129.9), [Node("other", "a", 2)])
        self.assertEqual(drains.due([NODE_A], {"a"}, 130.0), [NODE_A])
        drains.due([], set(), 130.0)
        self.assertEqual(drains.failed("node-a", 130.0), 1)

    def test_drained_nodes_are_not_usable(self):  # RD17
        drains = Drains()
        drains.accepted("node-a")
        self.assertEqual(drains.usable([NODE_A, Node("other", "b", 1)]), [Node("other", "b", 1)])


class Decide(unittest.TestCase):
    def decide(self, places, nodes, running=None, pauses=None, now=0.0, usable=None):
        decision = decide(places, nodes, nodes if usable is None else usable, running or {}, pauses or Pauses(), now)
        return decision.start, decision.forget

    def test_fills_slots_whose_pod_has_joined(self):  # RD4
        self.assertEqual(self.decide({0: A0, 8: Place(8, 0, "b")}, [NODE_A]), ([(A0, "node-a")], []))

    def test_leaves_what_runs_alone(self):  # RD7
        running = {0: Running(A0, "node-a", 0.0, up=True), 1: Running(A1, "node-a", 0.0, up=True)}
        self.assertEqual(self.decide({0: A0}, [NODE_A], running), ([], []))

    def test_takes_back_what_has_not_begun(self):  # RD7
        self.assertEqual(self.decide({}, [NODE_A], {0: Running(A0, "node-a", 0.0)}), ([], [0]))
        self.assertEqual(self.decide({0: A0}, [NODE_A], {0: Running(A0, "node-a", 0.0)}), ([], []))

    def test_waits_for_the_pause(self):  # RD8
        pauses = Pauses()
        pauses.ended(0, 1.0, 0.0)
        self.assertEqual(self.decide({0: A0}, [NODE_A], pauses=pauses, now=0.9), ([], []))
        self.assertEqual(self.decide({0: A0}, [NODE_A], pauses=pauses, now=1.0), ([(A0, "node-a")], []))

    def test_forgets_what_is_on_a_dead_node(self):  # RD9
        running = {0: Running(A0, "node-a", 0.0, up=True)}
        self.assertEqual(self.decide({0: A0}, [], running), ([], [0]))
        self.assertEqual(self.decide({0: A0}, [Node("other", "a", 2)], running), ([(A0, "other")], [0]))

    def test_moves_to_the_newer_of_two_nodes(self):  # RD10
        running = {0: Running(A0, "node-a", 0.0, up=True)}
        self.assertEqual(self.decide({0: A0}, [NODE_A, Node("newer", "a", 2)], running), ([(A0, "newer")], [0]))

    def test_a_slot_that_has_moved_waits_for_its_worker(self):  # RD10
        running = {0: Running(A0, "node-a", 0.0, up=True)}
        moved = {0: Place(0, 0, "b")}
        self.assertEqual(self.decide(moved, [NODE_A, Node("node-b", "b", 2)], running), ([], []))
        self.assertEqual(self.decide(moved, [NODE_A, Node("node-b", "b", 2)], {}), ([(moved[0], "node-b")], []))

    def test_nothing_on_a_node_that_drains(self):  # RD17
        self.assertEqual(self.decide({0: A0}, [NODE_A], usable=[]), ([], []))
        self.assertEqual(self.decide({0: A0}, [NODE_A], {0: Running(A0, "node-a", 0.0, up=True)}, usable=[]), ([], []))
        newer = Node("newer", "a", 2)
        self.assertEqual(self.decide({0: A0}, [NODE_A, newer], usable=[newer]), ([(A0, "newer")], []))
