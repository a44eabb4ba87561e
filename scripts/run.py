"""make run: the nightly fraud example, from nothing to scored results, over NATS, on this machine.

An interrupt only raises a flag, which is looked at between the steps: the step itself has got the interrupt, too. So there is no moment at which a
process could be started and forgotten. The service is in a process group of its own, where no interrupt reaches it, and is ended in order.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

EXAMPLE = Path("examples/fraud")
NEEDS = "this needs Python 3.11 or newer with venv (on Debian and Ubuntu: apt install python3 python3-venv)"
READY_WITHIN = 60  # seconds
STOP_WITHIN = 90  # seconds; workers finish or hand back what they hold


class Stopped(Exception):
    """Somebody has interrupted the run."""


class Run:
    documents = EXAMPLE / "nightshift.yaml"
    folder = Path(".nightshift")  # of the service
    arguments: tuple[str, ...] = ()  # of the service, besides
    stopped = "stopped; make run resumes"

    def __init__(self, rows: str = "1000000") -> None:
        self.rows = os.environ.get("ROWS", rows)
        self.program = str(Path(os.environ.get("NIGHTSHIFT", "bin/nightshift")).absolute())
        self.state = self.folder.absolute()
        self.data = EXAMPLE / "data" / f"transactions-{self.rows}.jsonl"
        self.python = str(EXAMPLE / ".venv" / "bin" / "python")
        self.service: subprocess.Popen[bytes] | None = None
        self.child: subprocess.Popen[str] | None = None
        self.interrupted = False
        signal.signal(signal.SIGINT, self.interrupt)
        signal.signal(signal.SIGTERM, self.interrupt)

    def interrupt(self, number: int, _frame: object) -> None:
        self.interrupted = True
        if number == signal.SIGTERM and self.child is not None:  # which, other than Ctrl-C, has reached this process only
            self.child.terminate()

    def check(self) -> None:
        if self.interrupted:
            raise Stopped

    def step(self, *command: str, ask: bool = False, python: bool = False) -> tuple[int, str]:
        """Runs a command to its end. Its exit code, and what it prints where that is asked for.

        A Python program says of an interrupt where it was, so what it complains of is shown only when there was none.
        """
        self.check()
        out, err = (subprocess.PIPE if held else None for held in (ask, python))
        self.child = subprocess.Popen(command, stdout=out, stderr=err, text=True)
        said, complaint = self.child.communicate()
        self.check()
        sys.stderr.write(complaint or "")
        return self.child.returncode, said or ""

    def must(self, *command: str, ask: bool = False, python: bool = False) -> str:
        code, said = self.step(*command, ask=ask, python=python)
        if code != 0:
            raise SystemExit(code)
        return said

    def nightshift(self, *arguments: str, ask: bool = False) -> tuple[int, str]:
        return self.step(self.program, *arguments, ask=ask)

    def prepare(self) -> None:
        requirements = EXAMPLE / "requirements.txt"
        wanted, mark = hashlib.sha256(requirements.read_bytes()).hexdigest(), EXAMPLE / ".venv" / "ready"
        if not mark.exists() or mark.read_text() != wanted:
            say("preparing the example: a Python environment with numpy and onnxruntime (once)")
            shutil.rmtree(EXAMPLE / ".venv", ignore_errors=True)
            self.must(sys.executable, "-m", "venv", str(EXAMPLE / ".venv"), python=True)
            install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)]
            self.must(self.python, *install, python=True)
            mark.write_text(wanted)
        if not self.data.exists():
            say(f"preparing the example: {self.rows} synthetic transactions (once)")
            generate = [str(EXAMPLE / "generate.py"), "--rows", self.rows, "--seed", "7", "--format", "jsonl"]
            self.must(self.python, *generate, "--out", str(EXAMPLE / "data"), python=True)

    def start(self) -> None:
        say("starting the service with its embedded JetStream and local workers")
        self.state.mkdir(exist_ok=True, parents=True)
        out, log = self.state / "dev.out", self.state / "dev.log"
        arguments = ["dev", "--dir", str(self.state), "--port", "0", "-f", str(self.documents), *self.arguments]
        with out.open("wb") as stdout, log.open("wb") as stderr:
            self.service = subprocess.Popen([self.program, *arguments], stdout=stdout, stderr=stderr, process_group=0)
        late = time.monotonic() + READY_WITHIN
        while "is ready" not in out.read_text():
            self.check()
            if self.service.poll() is not None or time.monotonic() > late:
                sys.stderr.write(log.read_text())
                raise SystemExit(1)
            time.sleep(0.05)
        address = out.read_text().split("NATS at ", 1)[1].split(",", 1)[0]
        os.environ["NIGHTSHIFT_NATS"] = address
        print(f"NATS at {address}", flush=True)

    def stop(self) -> None:
        if self.service is None:
            return
        self.service.terminate()
        try:
            self.service.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.service.kill()
            self.service.wait()

    def play(self) -> int:
        self.prepare()
        self.start()
        return self.show(self.submit())

    def submit(self) -> str:
        # An idempotency key that is kept until its job has ended: a run that was interrupted finds its job again.
        key = self.state / f"run-{self.rows}.key"
        if not key.exists():
            fresh = key.with_suffix(".new")
            fresh.write_text(time.strftime(f"make-run-%Y%m%dT%H%M%SZ-{os.getpid()}", time.gmtime()))
            fresh.replace(key)
        say(f"submitting {self.rows} rows over NATS")
        flags = ["--row-key", "transaction_id", "--key", key.read_text(), "--within", "1h", "--yes", "-o", "name"]
        job = self.must(self.program, "submit", "-q", "fraud", str(self.data), *flags, ask=True).strip()
        say("why so many workers")
        self.nightshift("explain")
        say("how it goes on")
        self.nightshift("watch", job)  # its exit code speaks of the few bad rows that are part of the example
        key.unlink()
        return job

    def show(self, job: str) -> int:
        say("how it ended, against what was said at the submit")
        self.nightshift("get", job)
        say("where the results are")
        self.nightshift("results", job)
        say("the first rows of the error file (the example plants some bad rows)")
        _, errors = self.nightshift("errors", job, ask=True)
        print(*errors.splitlines()[:3], sep="\n", flush=True)
        say("to try next")
        print("  make run                                               again: warm now")
        print(f"  bin/nightshift dev -f {EXAMPLE}/nightshift.yaml   keep the service running, then in another terminal:")
        print("  bin/nightshift list")
        print(f"  bin/nightshift results {job} -o scores.jsonl", flush=True)
        _, answer = self.nightshift("get", job, "-o", "json", ask=True)
        return 0 if json.loads(answer)["state"] in ("succeeded", "partially_failed") else 1


def say(what: str) -> None:
    print(f"\n== {what}", flush=True)


def main(kind: type[Run]) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - a person may have an older one
        raise SystemExit(NEEDS)
    try:
        import ensurepip  # noqa: F401 - venv needs it, and some systems ship it apart
    except ImportError:
        raise SystemExit(NEEDS) from None
    os.chdir(Path(__file__).parent.parent)
    run = kind()
    try:
        return run.play()
    except Stopped:
        run.stop()
        print(run.stopped, flush=True)
        return 130
    finally:
        run.stop()
        # From here on there is nothing left to interrupt; Python, while it ends, would put back the deadly default of a handled signal, not of an ignored one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


if __name__ == "__main__":
    raise SystemExit(main(Run))
