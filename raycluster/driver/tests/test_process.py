"""Cases RD10 to RD12 of docs/ray-driver.md, with real processes."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

from nightshift_ray.process import Taken, Worker, runnable, start

# Says that it is ready, and ends in order on SIGTERM, with code 7, after it has written a last word.
ORDERLY = """
import signal, sys, time
def end(*_):
    print("handed back", flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(60)
"""
STUBBORN = ORDERLY.replace("    sys.exit(7)\n", "")

# Starts an orderly process and waits for its own end.
PARENT = f"""
import sys, time
from nightshift_ray.process import start
start([sys.executable, "-c", {ORDERLY!r}])
time.sleep(60)
"""


class Tied(unittest.TestCase):
    def test_a_child_is_told_when_its_parent_dies(self):  # RD11
        parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
        self.addCleanup(parent.stdout.close)
        self.assertEqual(parent.stdout.readline(), "ready\n")
        parent.kill()
        self.assertEqual(parent.stdout.readline(), "handed back\n")
        self.assertEqual(parent.stdout.read(), "")  # nobody has the pipe any more
        parent.wait()

    def test_a_program_that_was_unpacked_as_data(self):  # RD15
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        program = os.path.join(folder.name, "program")
        with open(program, "w") as file:
            file.write("#!/bin/sh\nexit 4\n")
        self.assertEqual(subprocess.run([runnable(program)], check=False).returncode, 4)

    def test_a_program_that_is_missing(self):  # RD8
        child = start(["/nowhere/nightshift"], stderr=subprocess.DEVNULL)
        self.assertNotEqual(child.wait(), 0)


class OfOneSlot(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.lock, self.said = os.path.join(folder.name, "lock"), os.path.join(folder.name, "said")
        os.mkfifo(self.said)

    def begin(self, worker, program=ORDERLY):
        """Starts a worker in a thread, as an actor does, and returns when it is up."""
        codes = []
        command = ["/bin/sh", "-c", f'exec "$@" > {self.said}', "sh", sys.executable, "-c", program]
        thread = threading.Thread(target=lambda: codes.append(worker.run(command, self.lock, dict(os.environ))))
        thread.start()
        out = open(self.said)  # noqa: SIM115 - closed when the test ends
        self.addCleanup(out.close)
        self.assertEqual(out.readline(), "ready\n")
        return thread, codes, out

    def test_stop_waits_for_the_end(self):  # RD12
        worker = Worker(5)
        thread, codes, out = self.begin(worker)
        worker.stop()
        self.assertEqual(out.readline(), "handed back\n")
        thread.join()
        self.assertEqual(codes, [7])

    def test_stop_kills_what_does_not_end(self):  # RD12
        worker = Worker(-4.9)  # a longest time of 0.1 s
        thread, codes, _ = self.begin(worker, STUBBORN)
        worker.stop()
        thread.join()
        self.assertEqual(codes, [-signal.SIGKILL])

    def test_has_not_begun_while_it_waits_for_its_slot(self):  # RD7
        first, second = Worker(5), Worker(60)
        thread, _, _ = self.begin(first)
        codes = []
        waiting = threading.Thread(target=lambda: codes.append(second.run(["/bin/sh", "-c", "exit 3"], self.lock, dict(os.environ))))
        waiting.start()
        self.assertFalse(second._begun.is_set())
        first.stop()
        thread.join()
        second.begun()
        waiting.join()
        self.assertEqual(codes, [3])

    def test_nothing_starts_after_a_stop(self):  # RD12
        worker = Worker(5)
        worker.stop()
        self.assertEqual(worker.run(["/nowhere/nightshift"], self.lock, {}), 0)

    def test_a_slot_is_free_when_the_earlier_worker_has_gone(self):  # RD10
        first, second = Worker(5), Worker(-4.9)
        thread, _, _ = self.begin(first)
        first.begun()
        with self.assertRaises(Taken):
            second.run(["/nowhere/nightshift"], self.lock, {})
        second.begun()  # will not any more
        first.stop()
        thread.join()
        self.assertEqual(Worker(5).run(["/bin/sh", "-c", "exit 3"], self.lock, dict(os.environ)), 3)
