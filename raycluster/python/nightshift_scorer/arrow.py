"""Arrow streams to columns and back. pyarrow takes 200 ms to import, so it waits for the first batch that needs it."""

import importlib.util
from typing import Any

from nightshift_scorer import columns
from nightshift_scorer.columns import Failures
from nightshift_scorer.stream import ProtocolError


def available() -> bool:
    """Whether pyarrow is installed. It is not imported."""
    return importlib.util.find_spec("pyarrow") is not None


def decode(payload: bytes, count: int, declared: dict[str, str]) -> tuple[dict[str, Any], Failures]:
    """The columns of a stream of one record batch; see columns.from_rows."""
    import pyarrow

    batch = pyarrow.ipc.open_stream(payload).read_next_batch()
    if batch.num_rows != count:
        raise ProtocolError(f"a batch of {count} rows has {batch.num_rows} in its Arrow stream")
    found, failures = _columns(batch, declared)
    if failures:
        good = [row for row in range(count) if row not in failures]
        found, _ = _columns(batch.take(pyarrow.array(good, pyarrow.int64())), declared)
    return found, failures


def _columns(batch: Any, declared: dict[str, str]) -> tuple[dict[str, Any], Failures]:
    found: dict[str, Any] = {}
    values: dict[str, list[Any]] = {}
    for name, column in zip(batch.schema.names, batch.columns):
        if columns.numpy is not None and _fits(column, declared.get(name, "")):
            # A class may write into its batch, which belongs to it; without a copy the array would be the pipe's bytes.
            found[name] = column.to_numpy(zero_copy_only=False, writable=True)
        else:
            values[name] = column.to_pylist()
    for name in declared:
        if name not in found and name not in values:
            values[name] = [None] * batch.num_rows
    slow, failures = columns.typed(values, declared)
    # The model gets the columns in the order of the schema.
    names = [*batch.schema.names, *declared]
    return {name: found[name] if name in found else slow.get(name) for name in names}, failures


def _fits(column: Any, kind: str) -> bool:
    """Whether pyarrow's own conversion gives what the declared type, or none, asks for."""
    import pyarrow

    if pyarrow.types.is_floating(column.type):
        return kind == "" or kind == str(column.type).replace("double", "float64")
    if pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type):
        return kind in ("", "string")
    if pyarrow.types.is_integer(column.type) or pyarrow.types.is_boolean(column.type):
        return column.null_count == 0 and kind in ("", str(column.type))
    return kind == "" and pyarrow.types.is_temporal(column.type)


def encode(result: dict[str, Any]) -> bytes | None:
    """An Arrow stream of the columns, or None where they have no Arrow type; JSON lines can carry them then."""
    import pyarrow

    try:
        arrays = [pyarrow.array(_flat(values), from_pandas=False) for values in result.values()]
        batch = pyarrow.record_batch(arrays, names=list(result))
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError, TypeError, ValueError):
        return None
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _flat(values: Any) -> Any:
    """pyarrow takes one-dimensional arrays; the rows of a matrix become lists."""
    return list(values) if getattr(values, "ndim", 1) > 1 else values
