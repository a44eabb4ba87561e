"""make demo-spot: a job with a deadline on spot workers that are killed, as a trace says, and on-demand workers.

DATA=FILE replays a trace of one's own, SEED=N another synthetic one, SPEED=N slower than two hundred times; ROWS=N and WITHIN=150s say how much is to
be done and by when. It behaves at an interrupt as make run does; the next run begins anew.
"""

import json
import os
import re
import shutil
import time
from datetime import datetime
from pathlib import Path

from run import Run, main, say

EXAMPLE = Path("examples/spot")
POOLS = {"spot": "spot", "on-demand": "on demand"}
EVENTS = ("spot capacity changed", "worker taken away", "worker killed", "replicas refused")
LONGEST = 30  # seconds between two lines while nothing changes
SETTLE = 60  # seconds at most until the last worker has ended


class DemoSpot(Run):
    documents = EXAMPLE / ".demo.yaml"
    folder = Path(".nightshift/demo-spot")
    arguments = ("--ack-wait", "5s")
    stopped = "stopped; make demo-spot begins anew"

    def __init__(self) -> None:
        super().__init__(rows="100000")
        self.within = os.environ.get("WITHIN", "150s")
        self.read = 0  # bytes of the service's log

    def play(self) -> int:
        self.declare()
        self.prepare()
        shutil.rmtree(self.state, ignore_errors=True)  # a trace begins with the first start of its pool
        self.start()
        job = self.submit()
        self.follow(job)
        return self.show(job)

    def declare(self) -> None:
        """Writes the example's documents with the trace that is asked for."""
        text = (EXAMPLE / "nightshift.yaml").read_text()
        if data := os.environ.get("DATA"):
            text = re.sub(r"synthetic: .*", lambda _: "trace: " + json.dumps(str(Path(data).absolute())), text)
        elif seed := os.environ.get("SEED"):
            text = re.sub(r"seed: \d+", lambda _: f"seed: {seed}", text)
        if speed := os.environ.get("SPEED"):
            text = re.sub(r"speed: \d+", lambda _: f"speed: {speed}", text)
        self.documents.write_text(text)
        say("what spot capacity does")
        replayed = re.search(r"(trace: .*|synthetic: .*)\n +speed: (.*)", text)
        if replayed is None:
            raise SystemExit(f"{self.documents}: there is no trace and speed")
        print(f"{replayed[1]}, at {replayed[2]} times its speed; workers get {re.search(r'notice: (.*)', text)[1]} notice")

    def submit(self) -> str:
        say(f"submitting {self.rows} rows over NATS, to be scored within {self.within}")
        flags = ["--row-key", "transaction_id", "--within", self.within, "--yes", "-o", "name"]
        return self.must(self.program, "submit", "-q", "rehearsal", str(self.data), *flags, ask=True).strip()

    def ask(self, *arguments: str) -> dict:
        return json.loads(self.must(self.program, *arguments, "-o", "json", ask=True))

    def follow(self, job: str) -> None:
        """Says what changes, and why, until the job has ended and all workers have."""
        say("how it goes on, and why")
        before: dict[str, int] = {}
        told, ended = 0.0, None
        while True:
            self.events()
            view, plan = self.ask("get", job), self.ask("explain")
            pools = {pool["name"]: pool for pool in plan["pools"]}
            sizes = {name: pools[name]["replicas"] for name in POOLS if name in pools}
            over = view["state"] in ("succeeded", "partially_failed", "failed", "cancelled", "expired")
            if sizes != before or time.monotonic() - told > LONGEST:
                told = time.monotonic()
                self.tell(view, sizes)
                for name in POOLS:
                    if sizes.get(name) != before.get(name, 0):
                        print(f"          {name}: {reason(pools[name])}", flush=True)
                before = sizes
            if over:
                ended = ended or time.monotonic()
                if not any(sizes.values()) and not list(self.state.glob("local/workers/*.json")):
                    return
                if time.monotonic() - ended > SETTLE:
                    raise SystemExit("the workers do not end")
            self.pause(1)

    def pause(self, seconds: float) -> None:
        late = time.monotonic() + seconds
        while time.monotonic() < late:
            self.check()
            time.sleep(0.05)

    def tell(self, view: dict, sizes: dict[str, int]) -> None:
        counts = view["counts"]
        done, rows = counts["rowsDone"] + counts["rowsFailed"], max(counts["rowsTotal"], 1)
        left = (datetime.fromisoformat(view["deadline"]) - datetime.now().astimezone()).total_seconds()
        workers = ", ".join(f"{sizes.get(name, 0)} {shown}" for name, shown in POOLS.items())
        print(f"{time.strftime('%H:%M:%S')}  {done * 100 // rows:3d} %  {left:4.0f} s left  workers: {workers}", flush=True)

    def events(self) -> None:
        """Says what the engine has written into the service's log since it was read last."""
        with (self.state / "dev.log").open("rb") as log:
            log.seek(self.read)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.read += len(whole)
        for line in whole.decode().splitlines():
            fields = {name: said or word for name, said, word in re.findall(r'(\w+)=(?:"([^"]*)"|(\S+))', line)}
            if fields.get("msg") in EVENTS:
                rest = " ".join(f"{name}={fields[name]}" for name in ("worker", "replicas", "before", "asked", "granted", "why") if name in fields)
                print(f"          > {fields['msg']}: {rest}", flush=True)

    def show(self, job: str) -> int:
        say("what it came to")
        code, _ = self.nightshift("bench", "rehearsal", job, "-f", str(self.documents))
        return code or self.once(job)

    def once(self, job: str) -> int:
        """Counts the rows of the results and of the error file: each row of the input stands in one of them, once."""
        scores, errors = self.state / "scores.jsonl", self.state / "errors.jsonl"
        self.must(self.program, "results", job, "-o", str(scores), ask=True)
        _, text = self.nightshift("errors", job, ask=True)
        errors.write_text(text)
        keys = [json.loads(line)["transaction_id"] for line in scores.open()] + [json.loads(line)["key"] for line in errors.open()]
        with self.data.open() as rows:
            wanted = sum(1 for _ in rows)
        right = len(keys) == len(set(keys)) == wanted
        print(f"Rows of the input, counted in results and error file: {len(set(keys))} of {wanted}, {len(keys) - len(set(keys))} twice")
        return 0 if right else 1


def reason(pool: dict) -> str:
    """The reason of the last step that changed the number, or else of the last step."""
    changed = [one["sentence"] for one in pool["reasons"] if one["from"] != one["to"]]
    sentences = changed or [one["sentence"] for one in pool["reasons"]]
    return sentences[-1] if sentences else "no reason"


if __name__ == "__main__":
    raise SystemExit(main(DemoSpot))
