import math
import unittest
from typing import Any

from nightshift_scorer import columns
from nightshift_scorer.refusal import Refusal

numpy = columns.numpy


def plain(column: Any) -> list[Any]:
    """The values of a column, with None for NaN."""
    values = column.tolist() if hasattr(column, "tolist") else column
    return [None if isinstance(value, float) and math.isnan(value) else value for value in values]


class FromRows(unittest.TestCase):
    def test_rows_become_columns(self) -> None:
        found, failures = columns.from_rows([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], {})
        self.assertEqual({name: plain(column) for name, column in found.items()}, {"a": [1, 2], "b": ["x", "y"]})
        self.assertEqual(failures, {})

    def test_missing_names_are_none(self) -> None:
        for rows in (
            [{"a": "x"}, {"b": "y"}],
            [{"a": "x", "b": None}, {"b": "y"}],
            [{"b": None, "a": "x"}, {"b": "y", "a": None}],
        ):
            found, _ = columns.from_rows(rows, {})
            self.assertEqual(
                {name: plain(column) for name, column in sorted(found.items())}, {"a": ["x", None], "b": [None, "y"]}
            )

    def test_declared_columns_are_always_there(self) -> None:
        found, failures = columns.from_rows([{}, {"b": 1}], {"a": "string", "c": "float64"})
        self.assertEqual(plain(found["a"]), [None, None])
        self.assertEqual(plain(found["c"]), [None, None])
        self.assertEqual(failures, {})

    def test_declared_types(self) -> None:
        good = {"string": "x", "int64": -(1 << 63), "float64": 7, "bool": True}
        for kind, value in good.items():
            with self.subTest(kind):
                found, failures = columns.from_rows([{"v": value}], {"v": kind})
                self.assertEqual(failures, {})
                self.assertEqual(plain(found["v"]), [value])
                if numpy is not None:
                    self.assertEqual(found["v"].dtype, object if kind == "string" else kind)
        found, _ = columns.from_rows([{"v": 3.0}, {"v": 4}], {"v": "int64"})
        self.assertEqual([type(value) for value in plain(found["v"])], [int, int])

    def test_values_that_do_not_fit_fail_alone(self) -> None:
        for kind, value, problem in [
            ("int64", None, "there is no value, and int64 has no null; float64 has one"),
            ("int64", 1.5, "1.5 is not int64"),
            ("int64", "1", "'1' is not int64"),
            ("int64", True, "True is not int64"),
            ("int64", 1 << 63, "9223372036854775808 is too large for int64"),
            ("int64", 1e300, f"{int(1e300)}"[:77] + "... is too large for int64"),
            ("float64", "1.5", "'1.5' is not float64"),
            ("float64", False, "False is not float64"),
            ("float64", 10**400, "1" + "0" * 76 + "... is too large for float64"),
            ("bool", 1, "1 is not bool"),
            ("bool", None, "there is no value, and bool has no null"),
            ("string", 5, "5 is not string"),
            ("string", ["x"], "['x'] is not string"),
        ]:
            with self.subTest(kind=kind, value=str(value)[:20]):
                fitting = {"string": "x", "int64": 1, "float64": 1.0, "bool": True}[kind]
                rows = [{"v": fitting, "n": 0}, {"v": value, "n": 1}, {"v": fitting, "n": 2}]
                found, failures = columns.from_rows(rows, {"v": kind})
                self.assertEqual(failures, {1: ("bad_value", f"column v: {problem}")})
                self.assertEqual(plain(found["v"]), [fitting, fitting])
                self.assertEqual(plain(found["n"]), [0, 2])

    def test_all_rows_fail(self) -> None:
        found, failures = columns.from_rows([{"v": 1}, {"v": 2}], {"v": "string"})
        self.assertEqual((found, sorted(failures)), ({}, [0, 1]))

    def test_too_many_names(self) -> None:
        with self.assertRaises(Refusal) as caught:
            columns.from_rows([{f"a{row}_{i}": 1 for i in range(100)} for row in range(100)], {})
        self.assertEqual(
            (caught.exception.code, str(caught.exception)),
            ("too_many_columns", "10000 different names; at most 4096 columns"),
        )

    @unittest.skipIf(numpy is None, "numpy cannot be imported")
    def test_guessed_types(self) -> None:
        big = (1 << 53) + 1
        for values, kind, want in [
            ([1, 2], "int64", [1, 2]),
            ([1, None], "float64", [1.0, None]),
            ([big, None], "object", [big, None]),
            ([1 << 70, 1], "object", [1 << 70, 1]),
            ([1.5, 2], "float64", [1.5, 2.0]),
            ([1.5, None], "float64", [1.5, None]),
            ([1.5, 10**400], "object", [1.5, 10**400]),
            ([True, False], "bool", [True, False]),
            ([True, None], "object", [True, None]),
            ([True, 1], "object", [True, 1]),
            (["a", None], "object", ["a", None]),
            (["a", 1], "object", ["a", 1]),
            ([None, None], "object", [None, None]),
            ([[1, 2], [3, 4]], "int64", [[1, 2], [3, 4]]),
            ([[1.0], [2.0, 3.0]], "object", [[1.0], [2.0, 3.0]]),
            ([["a"], ["b"]], "object", [["a"], ["b"]]),
            ([[1], None], "object", [[1], None]),
            ([{"x": 1}, {"x": 2}], "object", [{"x": 1}, {"x": 2}]),
        ]:
            with self.subTest(str(values)[:40]):
                found, _ = columns.from_rows([{"v": value} for value in values], {})
                self.assertEqual((str(found["v"].dtype), plain(found["v"])), (kind, want))


class Merge(unittest.TestCase):
    def test_later_failures_count_the_rows_that_were_left(self) -> None:
        first, second = ("a", ""), ("b", "")
        self.assertEqual(columns.merge({}, {2: second}, 5), {2: second})
        self.assertEqual(columns.merge({2: first}, {}, 5), {2: first})
        self.assertEqual(
            columns.merge({0: first, 2: first}, {0: second, 2: second}, 5), {0: first, 2: first, 1: second, 4: second}
        )


if __name__ == "__main__":
    unittest.main()
