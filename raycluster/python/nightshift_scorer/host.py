"""Hello, ready, and one answer per batch."""

import gc
import json
import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from nightshift_scorer import arrow, columns, lines
from nightshift_scorer.columns import Failures, shorten
from nightshift_scorer.load import load
from nightshift_scorer.refusal import Refusal
from nightshift_scorer.stream import ProtocolError, Stream

PROTOCOL = 1
COLUMN_TYPES = ("string", "int64", "float64", "bool")
# Above this many bytes the errors of single rows follow the payload, because a header is at most 1 MiB.
MAX_ERRORS_IN_HEADER = 64 << 10

Model = Callable[[dict[str, Any]], Any]


class Termination:
    """SIGTERM ends the host after the batch in progress; at once while it waits for one."""

    def __init__(self) -> None:
        self.asked = False
        self.idle = False
        signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        if self.idle:
            raise SystemExit(0)


def run(stream: Stream, target: str) -> int:
    """Answers until the worker says stop or closes the pipe. Returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, which stops us.
    try:
        hello = stream.read_header()
        if hello is None:
            return 0
        try:
            declared = _check(hello)
            model = load(target, hello.get("parameters") or {})
        except Exception as error:  # noqa: BLE001 - whatever the user's code raises
            stream.write({"type": "fatal", "code": _code(error), "message": _describe(error)})
            return 1
        gc.freeze()  # What the model holds is there to stay; no collection looks at it again.
        arrow_too = arrow.available() and "arrow" in hello.get("encodings", [])
        encodings = ["jsonl", "arrow"] if arrow_too else ["jsonl"]
        ready = {"type": "ready", "protocol": PROTOCOL, "accept": encodings, "return": encodings[-1], "checks_rows": True}
        stream.write(ready)
        _answer_all(stream, model, declared)
    except ProtocolError as error:
        print(f"nightshift_scorer: the worker broke the protocol: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1  # The worker is gone.
    return 0


def _check(hello: dict[str, Any]) -> dict[str, str]:
    """The declared columns of a hello."""
    if hello.get("type") != "hello":
        raise ProtocolError(f"the first message is {hello.get('type')!r}, not hello")
    offered = hello.get("protocol")
    if not isinstance(offered, list) or PROTOCOL not in offered:
        raise Refusal("protocol_version", f"the worker speaks protocol {offered}; this scorer host speaks [{PROTOCOL}]")
    declared = hello.get("columns") or {}
    for name, kind in declared.items():
        if kind not in COLUMN_TYPES:
            raise Refusal("bad_column_type", f"columns.{name}: {kind!r} is not one of {', '.join(COLUMN_TYPES)}")
    return declared


def _answer_all(stream: Stream, model: Model, declared: dict[str, str]) -> None:
    termination = Termination()
    while not termination.asked:
        termination.idle = True
        header = stream.read_header()
        termination.idle = False
        if header is None or header.get("type") == "stop":
            return
        if header.get("type") != "batch":
            raise ProtocolError(f"a message of type {header.get('type')!r} where batch or stop must come")
        payload = stream.read_payload(header.get("bytes"))
        try:
            answer = _score(model, declared, header, payload)
        except ProtocolError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the user's code raises
            answer = ({"type": "error", "id": header["id"], "code": _code(error), "message": _describe(error)},)
        stream.write(*answer)


def _score(model: Model, declared: dict[str, str], header: dict[str, Any], payload: bytes) -> tuple[Any, ...]:
    """The message that answers a batch."""
    count = header["rows"]
    if header["encoding"] == "arrow":
        batch, failures = arrow.decode(payload, count, declared)
    else:
        rows, failures = lines.decode(payload, count)
        batch, bad = columns.from_rows(rows, declared)
        failures = columns.merge(failures, bad, count)
    if len(failures) == count:
        return _result(header, "jsonl", b"null\n" * count, failures)
    result, marked = _call(model, batch, count - len(failures))
    if header["encoding"] == "arrow" and not failures and (stream := arrow.encode(result)) is not None:
        return _result(header, "arrow", stream, marked)
    failed = columns.merge(failures, marked, count)
    text = lines.spread(lines.encode(result), count, failures, failed)
    return _result(header, "jsonl", text, failed)


def _call(model: Model, batch: dict[str, Any], count: int) -> tuple[dict[str, Any], Failures]:
    """The columns that the model returns for so many rows, and the rows that it marked as failed."""
    result = model(batch)
    if not isinstance(result, Mapping):
        raise Refusal(
            "wrong_return_type", f"the model returned a {type(result).__name__}; it must return a dict of columns"
        )
    result = dict(result)
    for name, values in result.items():
        if not isinstance(name, str):
            raise Refusal("wrong_return_type", f"the model named a column {name!r}; names are strings")
        if not isinstance(values, (list, tuple)) and not hasattr(values, "tolist"):
            raise Refusal("wrong_return_type", f"column {name} is a {type(values).__name__}, not an array or a list")
        size = len(values) if getattr(values, "ndim", 1) else 1
        if size != count:
            raise Refusal("wrong_row_count", f"column {name} has {size} rows; the model was given {count}")
    marked = _marked(result.pop("__error__", ()))
    if not result:
        raise Refusal("wrong_return_type", "the model returned no columns")
    return result, marked


def _marked(column: Any) -> Failures:
    """The rows that the model marked in its column __error__. A word before a colon is the code, as in "amount: below 0"."""
    marked: Failures = {}
    for row, value in enumerate(column):
        if not value or isinstance(value, float):  # None, an empty text, or the NaN that some libraries put for None
            continue
        word, colon, _ = str(value).partition(":")
        coded = colon and word.isascii() and word.isidentifier() and len(word) <= 64
        marked[row] = (word if coded else "row_error", str(value))
    return marked


def _result(header: dict[str, Any], encoding: str, payload: bytes, failures: Failures) -> tuple[Any, ...]:
    answer = {"type": "result", "id": header["id"], "encoding": encoding, "rows": header["rows"], "bytes": len(payload)}
    if not failures:
        return answer, payload
    errors = [
        {"row": row, "code": code, "message": shorten(message, 500)}
        for row, (code, message) in sorted(failures.items())
    ]
    text = json.dumps(errors, separators=(",", ":")).encode()
    if len(text) > MAX_ERRORS_IN_HEADER:
        return {**answer, "errors_bytes": len(text)}, payload, text
    return {**answer, "errors": errors}, payload


def _code(error: Exception) -> str:
    return error.code if isinstance(error, Refusal) else type(error).__name__


def _describe(error: Exception) -> str:
    """One sentence. What the model raised is printed in full to standard error, and named here with its place."""
    if isinstance(error, Refusal):
        return shorten(str(error), 2000)
    sys.excepthook(type(error), error, error.__traceback__)
    sys.stderr.flush()
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = ""
    if frame is not None:
        code = frame.tb_frame.f_code
        where = f" ({code.co_filename.rpartition('/')[2]}, line {frame.tb_lineno}, in {code.co_name})"
    return shorten(f"{type(error).__name__}: {error}", 2000) + where
