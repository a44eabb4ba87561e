"""JSON lines to rows, and columns to JSON lines. orjson does the work where it can be imported."""

import itertools
import json
import math
import os
from collections.abc import Sequence
from typing import Any

from nightshift_scorer.columns import Failures, shorten
from nightshift_scorer.refusal import Refusal
from nightshift_scorer.stream import ProtocolError

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

_NUMBERS = {int, float, bool, type(None)}
# Stands between the lines of a batch while they are parsed at once, and between the values of a column while they are
# written at once, so that they can be told apart again. Nobody can guess it, so it stands nowhere else.
_MARK = os.urandom(16).hex()
_CUT = b',"' + _MARK.encode() + b'",'


def decode(payload: bytes, count: int) -> tuple[list[dict[str, Any]], Failures]:
    """The rows of a payload of so many lines, without those that are not JSON objects; these are the failures."""
    if payload.count(b"\n") != count or not payload.endswith(b"\n"):
        raise ProtocolError(f"a batch of {count} rows has {payload.count(10)} line breaks, or does not end with one")
    try:
        items = _loads(b"[" + payload[:-1].replace(b"\n", _CUT) + b"]")
    except (ValueError, RecursionError):
        return _decode_each(payload)
    rows = items[::2]
    if len(rows) == count and items[1::2].count(_MARK) == count - 1 and set(map(type, rows)) == {dict}:
        return rows, {}
    return _decode_each(payload)


def _decode_each(payload: bytes) -> tuple[list[dict[str, Any]], Failures]:
    rows: list[dict[str, Any]] = []
    failures: Failures = {}
    for number, line in enumerate(payload[:-1].split(b"\n")):
        try:
            row = _loads(line)
        except (ValueError, RecursionError) as error:
            failures[number] = ("bad_json", f"{shorten(line.decode(errors='replace'))} is not JSON: {error}")
            continue
        if isinstance(row, dict):
            rows.append(row)
        else:
            failures[number] = ("not_an_object", f"{shorten(line.decode())} is not a JSON object")
    return rows, failures


def encode(columns: dict[str, Any]) -> bytes:
    """One JSON object per row; every column has the same length, above zero.

    The text of each column is made at once and cut into its values; then names and values are joined. That costs a
    third of making and writing a dict per row."""
    parts: list[Any] = []
    opening = b"{"
    for name, values in columns.items():
        parts.append(itertools.repeat(opening + _dumps(name) + b":"))
        try:
            parts.append(_texts(values))
        except (TypeError, ValueError, RecursionError) as error:
            raise Refusal("cannot_encode", f"column {name}: {error}") from error
        opening = b","
    parts.append(itertools.repeat(b"}\n"))
    return b"".join(itertools.chain.from_iterable(zip(*parts)))


def spread(lines: bytes, count: int, left_out: Failures, failed: Failures) -> bytes:
    """One line per row of the batch, null where it failed. The lines are those of the rows that were not left out."""
    if not failed:
        return lines
    scored = iter(lines.split(b"\n"))
    rows = [b"" if row in left_out else next(scored) for row in range(count)]
    return b"".join([b"null\n" if row in failed else line + b"\n" for row, line in enumerate(rows)])


def _texts(values: Any) -> list[bytes]:
    """The JSON text of each value."""
    kind = getattr(getattr(values, "dtype", None), "kind", "")
    plain = _plain_list(values, kind)
    if kind in ("i", "u", "f", "b") and values.ndim == 1 or set(map(type, plain)) <= _NUMBERS:
        return _dumps_numbers(plain)[1:-1].split(b",")
    items: list[Any] = [_MARK] * (2 * len(plain) - 1)
    items[::2] = plain
    return _dumps(items)[1:-1].split(_CUT)


def _plain_list(values: Any, kind: str) -> Sequence[Any]:
    if kind == "M":  # numpy's datetime64, whose tolist gives bare numbers where it counts nanoseconds
        import numpy

        return [None if text == "NaT" else text + "Z" for text in numpy.datetime_as_string(values).tolist()]
    if kind == "m":
        raise TypeError("a timedelta has no form in JSON; convert it to a number of seconds")
    return values.tolist() if hasattr(values, "tolist") else values


def _plain(value: Any) -> Any:
    """What is written instead of a value that JSON does not know."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_reject_constant)


def _loads_standard(text: bytes) -> Any:
    return _decoder.decode(str(text, "utf-8"))


def _dumps_standard(value: Any) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), default=_plain, allow_nan=False).encode()
    except ValueError:
        return json.dumps(_without_nan(value), separators=(",", ":"), default=_plain, allow_nan=False).encode()


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return _without_nan(value.tolist()) if hasattr(value, "tolist") else value


def _dumps_numbers_standard(values: Sequence[Any]) -> bytes:
    text = json.dumps(values, separators=(",", ":"))
    if "N" in text or "I" in text:
        text = text.replace("NaN", "null").replace("-Infinity", "null").replace("Infinity", "null")
    return text.encode()


def _dumps_orjson(value: Any) -> bytes:
    try:
        return orjson.dumps(value, _plain, orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # Whole numbers above 64 bits, and names that are not strings: the standard library writes them.
        return _dumps_standard(value)


def _dumps_numbers_orjson(values: Sequence[Any]) -> bytes:
    try:
        return orjson.dumps(values)
    except TypeError:
        return _dumps_numbers_standard(values)


if orjson is None:
    _loads, _dumps, _dumps_numbers = _loads_standard, _dumps_standard, _dumps_numbers_standard
else:
    _loads, _dumps, _dumps_numbers = orjson.loads, _dumps_orjson, _dumps_numbers_orjson
