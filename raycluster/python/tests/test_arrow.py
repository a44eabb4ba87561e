import math
import unittest
from typing import Any

from nightshift_scorer import arrow, columns
from nightshift_scorer.stream import ProtocolError

try:
    import pyarrow
except ImportError:
    pyarrow = None  # type: ignore[assignment]


def stream(table: dict[str, Any]) -> bytes:
    batch = pyarrow.record_batch(table)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def plain(found: dict[str, Any]) -> dict[str, list[Any]]:
    lists = {name: column.tolist() if hasattr(column, "tolist") else column for name, column in found.items()}
    return {
        name: [None if isinstance(value, float) and math.isnan(value) else value for value in column]
        for name, column in lists.items()
    }


@unittest.skipIf(pyarrow is None, "pyarrow cannot be imported")
class Arrow(unittest.TestCase):
    def test_columns_keep_order_and_types(self) -> None:
        table = {
            "s": ["a", None],
            "f": [1.5, None],
            "i": [1, 2],
            "n": [1, None],
            "b": [True, False],
            "l": [[1, 2], [3, 4]],
        }
        found, failures = arrow.decode(stream(table), 2, {"f": "float64", "missing": "string"})
        self.assertEqual(list(found), ["s", "f", "i", "n", "b", "l", "missing"])
        self.assertEqual(plain(found), {**table, "missing": [None, None]})
        self.assertEqual(failures, {})
        if columns.numpy is not None:
            kinds = {name: str(column.dtype) for name, column in found.items()}
            want = {
                "s": "object",
                "f": "float64",
                "i": "int64",
                "n": "float64",
                "b": "bool",
                "l": "int64",
                "missing": "object",
            }
            self.assertEqual(kinds, want)

    def test_declared_types_are_made(self) -> None:
        table = {"i": pyarrow.array([1, 2], pyarrow.int8()), "f": pyarrow.array([1.5, 2.5], pyarrow.float32())}
        found, failures = arrow.decode(stream(table), 2, {"i": "float64", "f": "float64"})
        self.assertEqual((plain(found), failures), ({"i": [1.0, 2.0], "f": [1.5, 2.5]}, {}))
        if columns.numpy is not None:
            self.assertEqual({str(column.dtype) for column in found.values()}, {"float64"})

    def test_values_that_do_not_fit_fail_alone(self) -> None:
        found, failures = arrow.decode(stream({"i": [1, None, 3], "s": ["a", "b", "c"]}), 3, {"i": "int64"})
        self.assertEqual(
            failures, {1: ("bad_value", "column i: there is no value, and int64 has no null; float64 has one")}
        )
        self.assertEqual(plain(found), {"i": [1, 3], "s": ["a", "c"]})

    def test_all_rows_fail(self) -> None:
        _, failures = arrow.decode(stream({"s": ["a", "b"]}), 2, {"s": "int64"})
        self.assertEqual(sorted(failures), [0, 1])

    def test_wrong_number_of_rows(self) -> None:
        with self.assertRaises(ProtocolError):
            arrow.decode(stream({"s": ["a", "b"]}), 3, {})

    def test_round_trip(self) -> None:
        table: dict[str, Any] = {"s": ["a", None], "f": [1.5, 2.5], "l": [[1], [2, 3]]}
        if columns.numpy is not None:
            table["m"] = columns.numpy.array([[1.0, 2.0], [3.0, 4.0]])
        encoded = arrow.encode(table)
        assert encoded is not None
        self.assertEqual(
            pyarrow.ipc.open_stream(encoded).read_all().to_pydict(),
            {**table, **({"m": [[1.0, 2.0], [3.0, 4.0]]} if "m" in table else {})},
        )

    def test_what_arrow_cannot_hold(self) -> None:
        self.assertIsNone(arrow.encode({"mixed": [1, "a"]}))
        self.assertIsNone(arrow.encode({"odd": [object(), object()]}))


if __name__ == "__main__":
    unittest.main()
