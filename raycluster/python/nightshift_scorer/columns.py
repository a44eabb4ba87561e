"""Rows to columns, as Ray Data gives them to a class: numpy arrays by name. Without numpy, lists."""

import itertools
from collections.abc import Callable
from typing import Any

from nightshift_scorer.refusal import Refusal

try:
    import numpy
except ImportError:
    numpy = None  # type: ignore[assignment]

# Code and message by the number of the row.
Failures = dict[int, tuple[str, str]]

MAX_COLUMNS = 4096
_NONE = type(None)
_FITTING: dict[str, set[type]] = {
    "string": {str, _NONE},
    "int64": {int},
    "float64": {float, int, _NONE},
    "bool": {bool},
}
_EXACT_IN_FLOAT = 1 << 53


def shorten(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def from_rows(rows: list[dict[str, Any]], declared: dict[str, str]) -> tuple[dict[str, Any], Failures]:
    """The columns of the rows. A row with a value that does not fit its declared type is left out and is a failure."""
    values = _transpose(rows, declared)
    columns, failures = typed(values, declared)
    if failures:
        good = [row for number, row in enumerate(rows) if number not in failures]
        columns, _ = typed(_transpose(good, declared), declared) if good else ({}, {})
    return columns, failures


def typed(values: dict[str, list[Any]], declared: dict[str, str]) -> tuple[dict[str, Any], Failures]:
    """Gives lists of values their types. Where single values do not fit, the columns mean nothing."""
    columns: dict[str, Any] = {}
    failures: Failures = {}
    for name, column in values.items():
        if name not in declared:
            columns[name] = _guess(column)
            continue
        found = _declare(column, declared[name])
        if isinstance(found, dict):
            for row, problem in found.items():
                failures.setdefault(row, ("bad_value", f"column {name}: {problem}"))
        else:
            columns[name] = found
    return columns, failures


def merge(failures: Failures, later: Failures, count: int) -> Failures:
    """All failures of a batch of so many rows; the later ones count the rows that were left by the first."""
    if not failures or not later:
        return failures or later
    left = [row for row in range(count) if row not in failures]
    return {**failures, **{left[row]: problem for row, problem in later.items()}}


def _transpose(rows: list[dict[str, Any]], declared: dict[str, str]) -> dict[str, list[Any]]:
    """Lists of values by name. A row that lacks a name has None there."""
    values: dict[str, list[Any]] | None = None
    if rows:
        try:
            values = {name: [row[name] for row in rows] for name in rows[0]}
        except KeyError:
            pass
    if values is None or sum(map(len, rows)) != len(values) * len(rows):
        names = dict.fromkeys(itertools.chain.from_iterable(rows))
        if len(names) > MAX_COLUMNS:
            raise Refusal("too_many_columns", f"{len(names)} different names; at most {MAX_COLUMNS} columns")
        values = {name: [row.get(name) for row in rows] for name in names}
    for name in declared:
        values.setdefault(name, [None] * len(rows))
    return values


def _declare(values: list[Any], kind: str) -> Any:
    """The column, or the problems of its values by row."""
    if set(map(type, values)) <= _FITTING[kind]:
        try:
            return _array(values, kind)
        except OverflowError:
            pass
    problems = {row: problem for row, value in enumerate(values) if (problem := _problem(value, kind))}
    if problems:
        return problems
    return _array([int(value) for value in values] if kind == "int64" else values, kind)


def _problem(value: Any, kind: str) -> str:
    """Why a value does not fit a declared type, or nothing."""
    if value is None and kind in ("int64", "bool"):
        return f"there is no value, and {kind} has no null" + ("; float64 has one" if kind == "int64" else "")
    if kind == "int64" and type(value) is float and value.is_integer():
        value = int(value)
    if type(value) not in _FITTING[kind]:
        return f"{shorten(repr(value))} is not {kind}"
    try:
        _array([value], kind)
    except OverflowError:
        return f"{shorten(repr(value))} is too large for {kind}"
    return ""


def _array(values: list[Any], kind: str) -> Any:
    """The column of values that fit the type."""
    if numpy is not None:
        return _objects(values) if kind == "string" else numpy.array(values, dtype=_dtype(kind))
    if kind == "float64":
        return [float("nan") if value is None else float(value) for value in values]
    if kind == "int64" and values and not -(1 << 63) <= min(values) <= max(values) < 1 << 63:
        raise OverflowError
    return values


def _dtype(kind: str) -> Any:
    return {"int64": numpy.int64, "float64": numpy.float64, "bool": numpy.bool_}[kind]


def _objects(values: list[Any]) -> Any:
    return numpy.fromiter(values, dtype=object, count=len(values))


def _guess(values: list[Any]) -> Any:
    """The column of values whose type nobody declared."""
    if numpy is None:
        return values
    kinds = set(map(type, values))
    missing = _NONE in kinds
    kinds.discard(_NONE)
    make: Callable[[list[Any]], Any] = _objects
    if kinds == {float} or kinds == {float, int} or (kinds == {int} and missing and _small(values)):
        make = _floats
    elif kinds == {int} and not missing:
        make = _whole
    elif kinds == {bool} and not missing:
        make = _booleans
    elif kinds == {list} and not missing:
        make = _nested
    try:
        return make(values)
    except (OverflowError, ValueError):
        return _objects(values)


def _small(values: list[Any]) -> bool:
    """Whether whole numbers with gaps can be floats without losing a digit, as Ray Data makes them."""
    return all(value is None or -_EXACT_IN_FLOAT <= value <= _EXACT_IN_FLOAT for value in values)


def _floats(values: list[Any]) -> Any:
    return numpy.array(values, dtype=numpy.float64)


def _whole(values: list[Any]) -> Any:
    return numpy.array(values, dtype=numpy.int64)


def _booleans(values: list[Any]) -> Any:
    return numpy.array(values, dtype=numpy.bool_)


def _nested(values: list[Any]) -> Any:
    """Lists of numbers of one length are a matrix."""
    matrix = numpy.array(values)
    if matrix.dtype.kind not in "iufb":
        raise ValueError
    return matrix
