"""Tests of the conversions for the benchmarks of decisions on other data."""

import gzip
import io
import json
import tarfile
import tempfile
import unittest
from pathlib import Path

import other_data


class OtherData(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def test_resampled(self) -> None:
        self.assertEqual(other_data.resampled([1, 2, 3, 4], 600, 300), [1, 1, 2, 2, 3, 3, 4, 4])
        self.assertEqual(other_data.resampled([1, 2, 3, 4, 5], 600, 1200), [1, 3])
        self.assertEqual(other_data.resampled([1, 2, 3, 4, 5, 6, 7], 195, 600), [1, 4])

    def test_windows_say_where_they_begin_and_where_nothing_is_granted(self) -> None:
        other_data.write_windows(self.folder, {"zone": [0, 1, 2, 0, 1]}, 300, 2, 3)
        read = [json.loads(path.read_text()) for path in sorted((self.folder / "zone").iterdir())]
        self.assertEqual([one["metadata"] for one in read], [{"gap_seconds": 300, "start_time": first} for first in (1, 2, 3)])
        self.assertEqual([one["data"] for one in read], [[0, 0], [0, 1], [1, 0]])

    def test_whole_series_come_from_overlapping_windows(self) -> None:
        path = self.folder / "archive.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for name, first, data in (("0", 0, [0, 1, 1]), ("1", 2, [1, 0])):
                text = json.dumps({"metadata": {"start_time": first}, "data": data}).encode()
                member = tarfile.TarInfo(f"aws/zone/traces/random_start/{name}.json")
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text))
        self.assertEqual(other_data.whole_series(path), {"zone": [1, 0, 0, 1]})

    def test_spot_traces(self) -> None:
        self.write("b.json", json.dumps({"metadata": {"gap_seconds": 195}, "data": [1, 0]}))
        self.assertEqual(other_data.spot_traces(self.folder), ({"b": [1, 0]}, 195))
        with self.assertRaises(FileNotFoundError):
            other_data.spot_traces(self.folder / "missing")

    def test_parcae(self) -> None:
        events = "0,add,a\n0,add,b\n60000,remove,a\n120000,add,c\n1200000,add,d\n"
        self.assertEqual(other_data.parcae(self.write("events.csv", events), 60)[:3], [2, 1, 2])

    def test_capacity(self) -> None:
        other_data.write_capacity(self.folder / "capacity.csv", {"zone": [3, 0]}, 600)
        lines = (self.folder / "capacity.csv").read_text().split()
        self.assertEqual(lines[1:], ["2025-01-01T00:00:00+00:00,zone,3", "2025-01-01T00:10:00+00:00,zone,0"])

    def test_halves(self) -> None:
        path = self.folder / "capacity.csv.gz"
        with gzip.open(path, "wt") as file:
            file.write("scheduled_at,zone\n2025-01-02T00:00:00+00:00,late\n2025-01-01T00:00:00+00:00,early\n")
        parts = other_data.halves(path, self.folder)
        self.assertEqual([parts[name].read_text().split()[1] for name in ("first", "second")], ["2025-01-01T00:00:00+00:00,early", "2025-01-02T00:00:00+00:00,late"])

    def test_counted_fills_holes(self) -> None:
        rows = "timestamp,value\n2014-01-01 00:00:00,60\n2014-01-01 00:01:00,120\n2014-01-01 00:03:00,60\n2014-01-01 00:04:00,0\n"
        self.assertEqual(other_data.counted(self.write("counts.csv", rows)), (60, [1, 2, 2, 1, 0]))

    def test_shaped_keeps_the_level(self) -> None:
        rates = self.write("rates.csv", "window_start_s,requests_per_s\n0,10\n600,20\n")
        rows = [f"2023-11-16 18:{minute:02}:00.0000000,{100 * (minute % 2)},0" for minute in range(11)]
        requests = self.write("requests.csv", "\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]) + "\n")
        window, shaped = other_data.shaped(rates, requests)
        self.assertEqual((window, shaped[:4], len(shaped)), (60, [0, 20, 0, 20], 20))
        self.assertAlmostEqual(sum(shaped) / 20, 15)

    def test_synthetic_traces_are_the_same_every_time(self) -> None:
        made = other_data.synthetic(ticks=300, draws=2)
        self.assertEqual(made, other_data.synthetic(ticks=300, draws=2))
        self.assertEqual({len(series[name]) for series in made.values() for name in series}, {300})
        self.assertNotEqual(made["markov-even"]["markov-even-0"], made["markov-even"]["markov-even-1"])
        self.assertEqual(made["period-of-20-minutes"]["period-of-20-minutes-0"][:4], [1, 0, 1, 0])


if __name__ == "__main__":
    unittest.main()
