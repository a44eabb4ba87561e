import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
from typing import Any

from nightshift_scorer import arrow

ROOT = pathlib.Path(__file__).parent.parent
HELLO = {
    "type": "hello",
    "protocol": [1],
    "encodings": ["jsonl", "arrow"],
    "model": "m",
    "parameters": {},
    "columns": {},
}
MODELS = '''
import os, subprocess, sys, time

class Identity:
    def __call__(self, batch):
        return batch

class Does:
    """Does what the first row says."""

    def __call__(self, batch):
        rows = len(batch["do"])
        what = batch["do"][0]
        return getattr(self, what)(rows)

    def raise_error(self, rows):
        raise ValueError("amount is negative")

    def fewer(self, rows):
        return {"n": [1] * (rows - 1)}

    def scalar(self, rows):
        return {"n": 1}

    def text(self, rows):
        return {"n": "ab"}

    def table(self, rows):
        return [{"n": 1}] * rows

    def nothing(self, rows):
        return {}

    def unnamed(self, rows):
        return {1: [1] * rows}

    def odd(self, rows):
        return {"n": [object()] * rows}

    def mark(self, rows):
        return {"n": list(range(rows)), "__error__": [None, "amount: is negative", "not good: really"][:rows]}

    def mark_all(self, rows):
        return {"n": list(range(rows)), "__error__": ["amount: is negative " + "x" * 1000] * rows}

    def noise(self, rows):
        print("printed", flush=True)
        os.write(1, b"written\\n")
        subprocess.run(["echo", "echoed"], check=True)
        try:
            input()
        except EOFError:
            return {"n": ["no input"] * rows}

    def slow(self, rows):
        print("in the batch", file=sys.stderr, flush=True)
        time.sleep(1)
        return {"n": [1] * rows}

    def modules(self, rows):
        return {"n": ["pyarrow" in sys.modules] * rows}

    def leave(self, rows):
        sys.exit(7)

class Broken:
    def __init__(self, path="weights.bin"):
        open(path)

    def __call__(self, batch):
        return batch
'''


class Host:
    """A host that runs, and the worker's end of its pipes."""

    def __init__(self, folder: str, target: str) -> None:
        command = [sys.executable, "-m", "nightshift_scorer", target, "--path", folder]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe)
        self.input, self.output, self.stderr = self.process.stdin, self.process.stdout, self.process.stderr
        assert self.input and self.output and self.stderr
        self.count = 0

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        assert self.input
        self.input.write(json.dumps(header).encode() + b"\n" + payload)
        self.input.flush()

    def read(self) -> dict[str, Any]:
        assert self.output
        return json.loads(self.output.readline())

    def submit(self, *rows: Any) -> None:
        self.count += 1
        payload = b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)
        header = {"type": "batch", "id": self.count, "encoding": "jsonl", "rows": len(rows), "bytes": len(payload)}
        self.send(header, payload)

    def answer(self) -> tuple[dict[str, Any], list[Any]]:
        """The header of an answer, with the errors in it wherever they stood, and its rows."""
        assert self.output
        header = self.read()
        payload = self.output.read(header.get("bytes", 0))
        if "errors_bytes" in header:
            header["errors"] = json.loads(self.output.read(header["errors_bytes"]))
        return header, [json.loads(line) for line in payload.decode().split("\n")[:-1]]

    def score(self, *rows: Any) -> tuple[dict[str, Any], list[Any]]:
        self.submit(*rows)
        return self.answer()

    def end(self) -> tuple[int, bytes, str]:
        """Exit code, what is left of standard output, and standard error, after the end of the input."""
        output, stderr = self.process.communicate(timeout=30)
        return self.process.returncode, output, stderr.decode()


class HostTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        pathlib.Path(folder.name, "host_models.py").write_text(MODELS)

    def host(self, target: str, hello: dict[str, Any] | None = None) -> Host:
        host = Host(self.folder, target)
        self.addCleanup(host.process.wait)
        self.addCleanup(host.process.kill)
        for pipe in (host.input, host.output, host.stderr):
            self.addCleanup(pipe.close)
        host.send({**HELLO, **(hello or {})})
        return host

    def ready(self, target: str, hello: dict[str, Any] | None = None) -> Host:
        host = self.host(target, hello)
        answer = host.read()
        self.assertEqual(answer["type"], "ready", answer)
        return host

    def test_ready_says_what_it_can(self) -> None:
        both = arrow.available()
        for offered, want in [(["jsonl", "arrow"], ["jsonl", "arrow"] if both else ["jsonl"]), (["jsonl"], ["jsonl"])]:
            answer = self.host("host_models:Identity", {"encodings": offered}).read()
            self.assertEqual(answer, {"type": "ready", "protocol": 1, "accept": want, "return": want[-1], "checks_rows": True})

    def test_fatal(self) -> None:
        for target, hello, code, message in [
            (
                "host_models:Broken",
                {},
                "FileNotFoundError",
                "FileNotFoundError: [Errno 2] No such file or directory: 'weights.bin'",
            ),
            ("host_models:Broken", {"parameters": {"pth": "x"}}, "TypeError", "unexpected keyword argument 'pth'"),
            ("no_such_module:X", {}, "ModuleNotFoundError", "ModuleNotFoundError: No module named 'no_such_module'"),
            ("host_models:Identitty", {}, "no_such_class", "host_models has no Identitty; was Identity meant?"),
            (
                "host_models:Identity",
                {"protocol": [2, 3]},
                "protocol_version",
                "the worker speaks protocol [2, 3]; this scorer host speaks [1]",
            ),
            (
                "host_models:Identity",
                {"columns": {"a": "int"}},
                "bad_column_type",
                "columns.a: 'int' is not one of string, int64, float64, bool",
            ),
        ]:
            with self.subTest(code):
                host = self.host(target, hello)
                answer = host.read()
                self.assertEqual((answer["type"], answer["code"]), ("fatal", code))
                self.assertIn(message, answer["message"])
                self.assertEqual(host.end()[:2], (1, b""))

    def test_answers_come_in_order(self) -> None:
        host = self.ready("host_models:Identity")
        for number in range(5):
            host.submit({"n": number}, {"n": number})
        for number in range(5):
            header, rows = host.answer()
            self.assertEqual((header["type"], header["id"], header["rows"]), ("result", number + 1, 2))
            self.assertEqual(rows, [{"n": number}] * 2)

    def test_batch_errors_leave_it_alive(self) -> None:
        host = self.ready("host_models:Does")
        for do, code, message in [
            ("raise_error", "ValueError", "ValueError: amount is negative (host_models.py, line 17, in raise_error)"),
            ("fewer", "wrong_row_count", "column n has 1 rows; the model was given 2"),
            ("scalar", "wrong_return_type", "column n is a int, not an array or a list"),
            ("text", "wrong_return_type", "column n is a str, not an array or a list"),
            ("table", "wrong_return_type", "the model returned a list; it must return a dict of columns"),
            ("nothing", "wrong_return_type", "the model returned no columns"),
            ("unnamed", "wrong_return_type", "the model named a column 1; names are strings"),
            ("odd", "cannot_encode", "column n: a object cannot be written as JSON"),
        ]:
            with self.subTest(do):
                header, _ = host.score({"do": do}, {"do": do})
                self.assertEqual(header, {"type": "error", "id": host.count, "code": code, "message": message})
        self.assertEqual(host.score({"do": "modules"})[0]["type"], "result")
        self.assertIn("Traceback (most recent call last)", host.end()[2])

    def test_marked_rows(self) -> None:
        host = self.ready("host_models:Does")
        header, rows = host.score({"do": "mark"}, {"do": ""}, {"do": ""})
        want = [
            {"row": 1, "code": "amount", "message": "amount: is negative"},
            {"row": 2, "code": "row_error", "message": "not good: really"},
        ]
        self.assertEqual((rows, header["errors"]), ([{"n": 0}, None, None], want))

    def test_marked_rows_among_bad_ones(self) -> None:
        host = self.ready("host_models:Does", {"columns": {"do": "string"}})
        header, rows = host.score(b"rubbish", {"do": "mark"}, {"do": 5}, {"do": ""}, {"do": ""})
        codes = [(error["row"], error["code"]) for error in header["errors"]]
        self.assertEqual(codes, [(0, "bad_json"), (2, "bad_value"), (3, "amount"), (4, "row_error")])
        self.assertEqual(rows, [None, {"n": 0}, None, None, None])

    def test_no_row_is_left(self) -> None:
        header, rows = self.ready("host_models:Does").score(b"rubbish", b"[]")
        self.assertEqual(
            ([error["code"] for error in header["errors"]], rows), (["bad_json", "not_an_object"], [None, None])
        )

    def test_many_errors_follow_the_payload(self) -> None:
        header, rows = self.ready("host_models:Does").score(*[{"do": "mark_all"}] * 5000)
        self.assertGreater(header["errors_bytes"], 1 << 20)
        self.assertEqual(([error["row"] for error in header["errors"]], rows), (list(range(5000)), [None] * 5000))
        self.assertEqual(max(len(error["message"]) for error in header["errors"]), 500)

    def test_the_stream_is_out_of_reach(self) -> None:
        host = self.ready("host_models:Does")
        self.assertEqual(host.score({"do": "noise"})[1], [{"n": "no input"}])
        code, output, stderr = host.end()
        self.assertEqual((code, output), (0, b""))
        self.assertEqual(stderr.split(), ["printed", "written", "echoed"])

    def test_pyarrow_is_not_imported_for_nothing(self) -> None:
        self.assertEqual(self.ready("host_models:Does").score({"do": "modules"})[1], [{"n": False}])

    def test_stop_and_end_of_input(self) -> None:
        host = self.ready("host_models:Identity")
        host.send({"type": "stop"})
        self.assertEqual(host.process.wait(30), 0)
        self.assertEqual(self.ready("host_models:Identity").end(), (0, b"", ""))

    def test_a_worker_that_breaks_the_protocol(self) -> None:
        for broken in (
            b"rubbish\n",
            b"[]\n",
            b'{"type":"hello"}\n',
            b'{"type":"batch","id":1,"rows":1,"encoding":"jsonl","bytes":-1}\n',
            b'{"type":',
        ):
            with self.subTest(broken):
                host = self.ready("host_models:Identity")
                assert host.input
                host.input.write(broken)
                code, output, stderr = host.end()
                self.assertEqual((code, output), (2, b""))
                self.assertIn("nightshift_scorer: the worker broke the protocol: ", stderr)

    def test_sigterm_while_idle(self) -> None:
        host = self.ready("host_models:Identity")
        host.score({"n": 1})
        host.process.send_signal(signal.SIGTERM)
        self.assertEqual(host.process.wait(30), 0)

    def test_sigterm_finishes_the_batch(self) -> None:
        host = self.ready("host_models:Does")
        host.submit({"do": "slow"})
        host.submit({"do": "slow"})
        assert host.stderr
        self.assertEqual(host.stderr.readline(), b"in the batch\n")
        host.process.send_signal(signal.SIGTERM)
        self.assertEqual(host.answer()[1], [{"n": 1}])
        self.assertEqual(host.process.wait(30), 0)

    def test_sigint_is_for_the_worker(self) -> None:
        host = self.ready("host_models:Identity")
        host.process.send_signal(signal.SIGINT)
        self.assertEqual(host.score({"n": 1})[1], [{"n": 1}])

    def test_exit_of_the_model_is_an_exit(self) -> None:
        host = self.ready("host_models:Does")
        host.submit({"do": "leave"})
        self.assertEqual(host.process.wait(30), 7)

    def test_usage(self) -> None:
        for arguments in ([], ["a:B", "c:D"], ["a:B", "--path"], ["--help"]):
            command = [sys.executable, "-m", "nightshift_scorer", *arguments]
            done = subprocess.run(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=dict(os.environ)
            )
            self.assertEqual((done.returncode, done.stdout), (1, b""))
            self.assertIn(b"usage: ", done.stderr)


if __name__ == "__main__":
    unittest.main()
