"""Tests of the forest example: python -m unittest discover -s examples/forest"""

import contextlib
import importlib.util
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
for package in ("numpy", "joblib", "sklearn"):
    if importlib.util.find_spec(package) is None:
        raise unittest.SkipTest(f"{package} is not installed: pip install -r examples/forest/requirements.txt")

import numpy as np

import make_model
import readings
from forest import ForestModel


class ForestTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.out = Path(folder.name)
        with contextlib.redirect_stdout(io.StringIO()):
            make_model.main(["--small", "--out", folder.name])
        cls.model = ForestModel(str(cls.out / "forest.joblib"))

    def test_forecasts_follow_the_meters(self) -> None:
        columns = readings.readings(5000, 3)
        answer = columns.pop("kwh_next")
        result = self.model(columns)
        self.assertEqual(set(result["__error__"]), {None})
        self.assertGreater(np.corrcoef(answer, result["kwh"])[0, 1], 0.8)

    def test_the_same_seed_gives_the_same_forest(self) -> None:
        columns = readings.readings(1000, 4)
        again = make_model.forest(2_000, 5, 7, jobs=1)
        expected = np.round(again.predict(make_model.matrix(columns)), 3)
        np.testing.assert_array_equal(self.model(columns)["kwh"], expected)
        other = make_model.forest(2_000, 5, 8, jobs=1)
        self.assertFalse(np.array_equal(np.round(other.predict(make_model.matrix(columns)), 3), expected))

    def test_a_bad_row_harms_no_other(self) -> None:
        columns = readings.readings(10, 5)
        good = self.model(columns)["kwh"]
        columns["temperature"] = columns["temperature"].astype(object)
        columns["temperature"][2] = None
        columns["temperature"][3] = "cold"
        result = self.model(columns)
        message = "temperature: missing or not a number; allowed: a number"
        self.assertEqual(list(result["__error__"]), [None, None, message, message] + [None] * 6)
        self.assertTrue(np.isnan(result["kwh"][2:4]).all())
        rest = [0, 1, 4, 5, 6, 7, 8, 9]
        np.testing.assert_array_equal(result["kwh"][rest], good[rest])
        del columns["hour"]
        self.assertEqual(set(self.model(columns)["__error__"]), {"hour: missing or not a number; allowed: a number"})

    def test_readings_are_written_as_they_are_drawn(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(readings.main(["--rows", "2000", "--seed", "6", "--out", str(self.out)]), 0)
        rows = [json.loads(line) for line in (self.out / "readings-2000.jsonl").read_text().splitlines()]
        columns = readings.readings(2000, 6)
        for name in readings.FEATURES:
            self.assertEqual([row[name] for row in rows], columns[name].tolist(), name)
        self.assertEqual(rows[41]["meter_id"], "m0000041")


if __name__ == "__main__":
    unittest.main()
