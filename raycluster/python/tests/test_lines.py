import datetime
import json
import random
import unittest
from typing import Any

from nightshift_scorer import columns, lines
from nightshift_scorer.refusal import Refusal
from nightshift_scorer.stream import ProtocolError

numpy = columns.numpy


def read(text: bytes) -> list[Any]:
    """What a strict reader makes of JSON lines."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    assert text.endswith(b"\n")
    return [json.loads(line, parse_constant=refuse) for line in text[:-1].decode().split("\n")]


class Decode(unittest.TestCase):
    def test_good_lines(self) -> None:
        self.assertEqual(lines.decode(b'{"a":1}\n {"b":"x\\ny"} \n', 2), ([{"a": 1}, {"b": "x\ny"}], {}))

    def test_bad_lines_fail_alone(self) -> None:
        bad = {
            b"": "bad_json",
            b"{": "bad_json",
            b'{"a":1},': "bad_json",
            b'{"a":1},{"a":2}': "bad_json",
            b'{"a":NaN}': "bad_json",
            b'{"a":"\xff"}': "bad_json",
            b"[" * 100_000: "bad_json",
            b"[1]": "not_an_object",
            b"null": "not_an_object",
            b'"text"': "not_an_object",
        }
        for line, code in bad.items():
            with self.subTest(line[:20]):
                rows, failures = lines.decode(b'{"a":1}\n' + line + b'\n{"a":3}\n', 3)
                self.assertEqual(rows, [{"a": 1}, {"a": 3}])
                self.assertEqual({row: found for row, (found, _) in failures.items()}, {1: code})

    def test_lines_that_would_be_rows_together(self) -> None:
        for payload in (
            b'{"a":[1\n2]}\n{"b":1},{"c":2}\n',
            b'{"b":1},{"a":[{}\n{}]}\n{"a":1},\n',
            b'{"b":1},1,{"a":[{}\n{}]}\n[\n',
        ):
            with self.subTest(payload):
                rows, failures = lines.decode(payload, 3)
                self.assertEqual((rows, sorted(failures)), ([], [0, 1, 2]))

    def test_wrong_number_of_lines(self) -> None:
        for payload in (b"{}\n", b"{}\n{}\n{}\n", b"{}\n{}", b"{}\n\n{}", b""):
            with self.subTest(payload), self.assertRaises(ProtocolError):
                lines.decode(payload, 2)


class Encode(unittest.TestCase):
    def test_values(self) -> None:
        moment = datetime.datetime(2026, 11, 22, 6, tzinfo=datetime.UTC)
        table: dict[str, list[Any]] = {
            "whole": [1, -(1 << 63), 1 << 90, 0],
            "number": [0.1, -2.0, 1e300, 5e-324],
            "missing": [float("nan"), float("inf"), float("-inf"), None],
            "truth": [True, False, None, True],
            "text": ["", 'a"b\\c', '","', "\u2028\ud83d\ude00 \x00".encode("utf-16", "surrogatepass").decode("utf-16")],
            "mixed": ["x", 1, None, [1.5, float("nan")]],
            "nested": [{"a": [1]}, {}, {"a": {"b": None}}, [[]]],
            'na"me': [1, 2, 3, 4],
        }
        want = {**table, "missing": [None] * 4, "mixed": ["x", 1, None, [1.5, None]]}
        self.assertEqual(read(lines.encode(table)), [dict(zip(want, row)) for row in zip(*want.values())])
        self.assertEqual(
            read(lines.encode({"when": [moment, moment.date()]})),
            [{"when": "2026-11-22T06:00:00+00:00"}, {"when": "2026-11-22"}],
        )

    def test_random_texts_stay_apart(self) -> None:
        chooser = random.Random(1)
        for _ in range(200):
            texts = [
                "".join(chooser.choices('",\\[]{}: \nnul\u20ac', k=chooser.randrange(6)))
                for _ in range(chooser.randrange(1, 6))
            ]
            self.assertEqual(
                [row["t"] for row in read(lines.encode({"t": texts, "n": list(range(len(texts)))}))], texts
            )

    def test_what_json_cannot_hold(self) -> None:
        for value in (object(), b"bytes", {1, 2}, 1j, {(1, 2): 3}):
            with self.subTest(str(value)), self.assertRaises(Refusal) as caught:
                lines.encode({"fine": [1], "odd": [value]})
            self.assertEqual(caught.exception.code, "cannot_encode")
            self.assertTrue(str(caught.exception).startswith("column odd: "), caught.exception)

    @unittest.skipIf(numpy is None, "numpy cannot be imported")
    def test_numpy_values(self) -> None:
        table = {
            "f4": numpy.array([0.5, numpy.nan], dtype="float32"),
            "i1": numpy.array([1, -1], dtype="int8"),
            "u8": numpy.array([0, (1 << 64) - 1], dtype="uint64"),
            "b": numpy.array([True, False]),
            "s": numpy.array(["a", "bc"]),
            "o": numpy.array([numpy.float64(1.5), numpy.array([1, 2])], dtype=object),
            "m": numpy.array([[1.0, numpy.inf], [3.0, 4.0]]),
            "t": numpy.array(["2026-11-22T06:00:00.5", "NaT"], dtype="datetime64[ns]"),
        }
        want = [
            {
                "f4": 0.5,
                "i1": 1,
                "u8": 0,
                "b": True,
                "s": "a",
                "o": 1.5,
                "m": [1.0, None],
                "t": "2026-11-22T06:00:00.500000000Z",
            },
            {"f4": None, "i1": -1, "u8": (1 << 64) - 1, "b": False, "s": "bc", "o": [1, 2], "m": [3.0, 4.0], "t": None},
        ]
        self.assertEqual(read(lines.encode(table)), want)
        with self.assertRaises(Refusal):
            lines.encode({"d": numpy.array([1, 2], dtype="timedelta64[s]")})


class Spread(unittest.TestCase):
    def test_failed_rows_are_null(self) -> None:
        why = ("code", "message")
        self.assertEqual(lines.spread(b"{1}\n{2}\n", 2, {}, {}), b"{1}\n{2}\n")
        self.assertEqual(lines.spread(b"{1}\n{2}\n", 4, {0: why, 2: why}, {0: why, 2: why}), b"null\n{1}\nnull\n{2}\n")
        self.assertEqual(lines.spread(b"{1}\n{2}\n", 3, {0: why}, {0: why, 2: why}), b"null\n{1}\nnull\n")


if __name__ == "__main__":
    unittest.main()
