"""Tests of the fraud example: python -m unittest discover -s examples/fraud"""

import contextlib
import csv
import datetime
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import re
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))
for package in ("numpy", "onnxruntime"):
    if importlib.util.find_spec(package) is None:
        raise unittest.SkipTest(f"{package} is not installed: pip install -r examples/fraud/requirements.txt")

import numpy as np

import generate
from fraud import FraudModel

DAY = datetime.date(2026, 11, 20)
DESCRIPTION = json.loads((FOLDER / "model.json").read_text())
RETRAIN_MOST_DIFFERENCE = 0.001  # of a score; on one kind of processor the retrained model is the same to the byte


def missing_for_training(exact: bool) -> str:
    """What a retrain lacks, as a sentence; empty when it can run. exact wants the versions of the committed model."""
    for package in ("onnx", "scikit-learn", "skl2onnx"):
        try:
            found = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return f"{package} is not installed: pip install -r examples/fraud/requirements-train.txt"
        wanted = DESCRIPTION["versions"][package]
        if exact and found != wanted:
            return f"the committed model was trained with {package} {wanted}; installed is {found}"
    return ""


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """The chance that a fraud has a higher score than an honest row; ties count half."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    frauds = int(label.sum())
    honest = len(label) - frauds
    return float((rank[label == 1].sum() - frauds * (frauds + 1) / 2) / (frauds * honest))


def run(*arguments: str) -> tuple[int, str]:
    """The exit code of generate.py and what it wrote to standard error."""
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        try:
            return generate.main(list(arguments)), error.getvalue()
        except SystemExit as end:
            return int(end.code or 0), error.getvalue()


class FolderTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name)


class GeneratorTest(FolderTest):
    def test_seed_and_day_decide(self) -> None:
        first = generate.transactions(5000, 7, DAY)
        again = generate.transactions(5000, 7, DAY)
        for name, column in first.items():
            np.testing.assert_array_equal(column, again[name], name)
        for other in (generate.transactions(5000, 8, DAY), generate.transactions(5000, 7, datetime.date(2026, 11, 21))):
            self.assertFalse(np.array_equal(first["amount"], other["amount"]))

    def test_distribution_is_as_documented(self) -> None:
        rows = 400_000
        columns = generate.transactions(rows, 11, DAY)
        absent = columns["card_present"] == 0
        fast = columns["km"] * 3600 > 900 * columns["gap_s"]
        documented = [
            ("fraud, share", columns["fraud"].mean(), 0.0102, 0.001),
            ("card present, share", columns["card_present"].mean(), 0.802, 0.005),
            ("amount, median", np.median(columns["amount"]), 32.8, 0.6),
            ("amount, mean", columns["amount"].mean(), 64.7, 1.2),
            ("ratio, median", np.median(columns["ratio"]), 0.85, 0.02),
            ("gap_s, median", np.median(columns["gap_s"]), 17_250, 300),
            ("km with the card, median", np.median(columns["km"][~absent]), 4.4, 0.2),
            ("before 05:00, share", (columns["hour"] < 5).mean(), 0.020, 0.002),
            ("burst, share", (columns["gap_s"] < 120).mean(), 0.0191, 0.002),
            ("faster than 900 km/h, share", fast.mean(), 0.0033, 0.0005),
        ]
        for mcc, (share, present, _, _) in generate.CATEGORIES.items():
            here = columns["mcc"] == mcc
            documented.append((f"mcc {mcc}, share", here.mean(), share, 0.005))
            documented.append((f"mcc {mcc}, card present", columns["card_present"][here].mean(), present, 0.03))
        for country, (share, _) in generate.COUNTRIES.items():
            documented.append((f"{country}, share", (columns["country"] == country).mean(), share, 0.005))
        for name, measured, expected, tolerance in documented:
            self.assertAlmostEqual(measured, expected, delta=tolerance, msg=name)

    def test_labels_are_drawn_with_the_probability(self) -> None:
        columns = generate.transactions(400_000, 12, DAY)
        probability = generate.fraud_probability(columns)
        for part in np.array_split(np.argsort(probability, kind="stable"), 8):
            expected = probability[part].sum()
            deviation = np.sqrt((probability[part] * (1 - probability[part])).sum())
            self.assertAlmostEqual(columns["fraud"][part].sum(), expected, delta=4.5 * deviation)

    def test_lines(self) -> None:
        self.assertEqual(run("--rows", "60000", "--seed", "3", "--bad-rows", "5", "--out", str(self.out)), (0, ""))
        text = (self.out / "transactions-60000.jsonl").read_text()
        rows = [json.loads(line) for line in text.splitlines()]
        self.assertEqual(len(rows), 60_000)
        self.assertEqual(len({row["transaction_id"] for row in rows}), 60_000)
        self.assertEqual([row["ts"] for row in rows], sorted(row["ts"] for row in rows))
        self.assertRegex(rows[0]["ts"], re.compile(r"^2026-11-20T\d\d:\d\d:\d\dZ$"))
        self.assertEqual(sum(row["amount"] is None for row in rows), 3)
        self.assertEqual(sum(row["amount"] is not None and row["amount"] < 0 for row in rows), 2)
        self.assertNotIn("fraud", rows[0])
        self.assertTrue(150 < len(text) / len(rows) < 180, len(text) / len(rows))
        columns = generate.transactions(60_000, 3, DAY, 5)
        for name in ("mcc", "country", "card_present", "hour", "gap_s", "km", "ratio"):
            self.assertEqual([row[name] for row in rows], columns[name].tolist(), name)

    def test_formats_hold_the_same_rows(self) -> None:
        formats = ["jsonl", "csv"] + ["parquet"] * (importlib.util.find_spec("pyarrow") is not None)
        for form in formats:
            code, _ = run("--rows", "3000", "--format", form, "--labels", "--out", str(self.out))
            self.assertEqual(code, 0)
        lines = (self.out / "transactions-3000.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        self.assertEqual({row["fraud"] for row in rows}, {0, 1})
        with (self.out / "transactions-3000.csv").open(newline="") as file:
            for row, cells in zip(rows, csv.DictReader(file), strict=True):
                self.assertEqual({name: type(row[name])(cells[name]) for name in cells if cells[name]}, _present(row))
        if "parquet" not in formats:
            self.skipTest("jsonl and csv agree; parquet was not looked at, because pyarrow is not installed")
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(self.out / "transactions-3000.parquet")
        self.assertEqual(table.to_pylist(), rows)

    def test_days_are_files(self) -> None:
        run("--rows", "1000", "--days", "2", "--start", "2026-12-31", "--out", str(self.out))
        names = sorted(path.name for path in self.out.iterdir())
        self.assertEqual(names, ["transactions-2026-12-31.jsonl", "transactions-2027-01-01.jsonl"])
        ids = [json.loads((self.out / name).read_text().splitlines()[0])["transaction_id"] for name in names]
        self.assertEqual(ids, ["261231-0000000", "270101-0000000"])

    def test_refusals(self) -> None:
        for arguments, message in (
            (["--rows", "0"], "--rows: 0; allowed: 1 to 20000000"),
            (["--days", "1000"], "--days: 1000; allowed: 1 to 366"),
            (["--seed", "-1"], "--seed: -1; allowed: 0 or more"),
            (["--rows", "5", "--bad-rows", "6"], "--bad-rows: 6; allowed: 0 to --rows (5)"),
            (["--format", "xml"], "invalid choice: 'xml'"),
        ):
            code, error = run(*arguments, "--out", str(self.out))
            self.assertEqual(code, 2, arguments)
            self.assertIn(message, error)

    def test_parquet_needs_pyarrow(self) -> None:
        with mock.patch.dict(sys.modules, {"pyarrow": None, "pyarrow.parquet": None}):
            code, error = run("--rows", "5", "--format", "parquet", "--out", str(self.out))
        self.assertEqual(code, 2)
        self.assertIn("parquet needs the package pyarrow", error)
        self.assertEqual(list(self.out.iterdir()), [])

    def test_a_failed_write_leaves_nothing(self) -> None:
        columns = generate.transactions(100, 1, DAY)
        columns["km"] = columns["km"][:-1]
        with self.assertRaises(ValueError):
            generate.write(columns, "jsonl", "x", self.out / "transactions.jsonl")
        self.assertEqual(list(self.out.iterdir()), [])


def _present(row: dict) -> dict:
    return {name: value for name, value in row.items() if value is not None}


class ModelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.model = FraudModel()

    def test_file_is_the_described_one(self) -> None:
        content = (FOLDER / "model.onnx").read_bytes()
        self.assertEqual(hashlib.sha256(content).hexdigest(), DESCRIPTION["sha256"])
        self.assertEqual(len(content), DESCRIPTION["bytes"])

    def test_scores_as_described(self) -> None:
        described = DESCRIPTION["evaluation"]
        columns = generate.transactions(400_000, 20261122, DAY)
        result = self.model(columns)
        self.assertEqual(set(result["__error__"]), {None})
        self.assertAlmostEqual(auc(columns["fraud"], result["score"]), described["auc"], delta=0.005)
        review = result["decision"] == "review"
        self.assertAlmostEqual(review.mean(), described["review_share"], delta=0.001)
        self.assertAlmostEqual(columns["fraud"][review].mean(), described["review_precision"], delta=0.05)
        np.testing.assert_array_equal(review, result["score"] >= DESCRIPTION["review_score"])

    def test_scores_are_rounded_and_do_not_depend_on_the_batch(self) -> None:
        columns = generate.transactions(1000, 1, DAY)
        whole = self.model(columns)["score"]
        np.testing.assert_array_equal(whole, np.round(whole, 6))
        for size in (1, 7, 512):
            parts = [
                self.model({name: column[start : start + size] for name, column in columns.items()})["score"]
                for start in range(0, 1000, size)
            ]
            np.testing.assert_array_equal(np.concatenate(parts), whole)
        two_threads = FraudModel(threads=2)(columns)["score"]  # which add the trees in another order
        np.testing.assert_allclose(two_threads, whole, rtol=0, atol=2.5e-6)

    def test_bad_values_are_errors_of_their_rows(self) -> None:
        columns = {name: column.astype(object) for name, column in generate.transactions(64, 2, DAY).items()}
        good = self.model(columns)["score"]
        bad = [
            ("amount", None, "amount: null; allowed: a number from 0.01 to 1000000"),
            ("amount", -12.5, "amount: -12.5; allowed: a number from 0.01 to 1000000"),
            ("amount", 0, "amount: 0; allowed: a number from 0.01 to 1000000"),
            ("amount", float("nan"), "amount: null; allowed: a number from 0.01 to 1000000"),
            ("amount", float("inf"), "amount: Infinity; allowed: a number from 0.01 to 1000000"),
            ("amount", 10**400, "amount: 1000000000000000000000000000000000000...; allowed: a number from"),
            ("amount", [1], "amount: [1]; allowed: a number from 0.01 to 1000000"),
            ("hour", 24, "hour: 24; allowed: a number from 0 to 23"),
            ("gap_s", "soon", 'gap_s: "soon"; allowed: a number from 0 to 31536000'),
            ("km", -1, "km: -1; allowed: a number from 0 to 20040"),
            ("mcc", None, "mcc: null; allowed: a number from 1 to 9999"),
            ("country", None, "country: null; allowed: a country code such as DE"),
            ("country", 49, "country: 49; allowed: a country code such as DE"),
        ]
        for row, (name, value, _) in enumerate(bad):
            columns[name][row] = value
        result = self.model(columns)
        for row, (name, value, message) in enumerate(bad):
            error = result["__error__"][row] or ""
            self.assertTrue(error.startswith(message), (name, value, error))
            self.assertTrue(np.isnan(result["score"][row]))
            self.assertIsNone(result["decision"][row])
        np.testing.assert_array_equal(result["score"][len(bad) :], good[len(bad) :])
        self.assertEqual(set(result["__error__"][len(bad) :]), {None})

    def test_a_missing_column_is_an_error_of_every_row(self) -> None:
        for name in ("amount", "country"):
            columns = generate.transactions(3, 2, DAY)
            del columns[name]
            for error in self.model(columns)["__error__"]:
                self.assertTrue(error.startswith(f"{name}: null; allowed: "), error)

    def test_unknown_categories_and_text_are_scored(self) -> None:
        columns = generate.transactions(50, 4, DAY)
        as_text = {name: column.astype(str).astype(object) for name, column in columns.items()}
        np.testing.assert_array_equal(self.model(as_text)["score"], self.model(columns)["score"])
        columns["mcc"][:] = 742
        columns["country"] = np.full(50, "ZZ")
        self.assertEqual(set(self.model(columns)["__error__"]), {None})

    def test_no_rows(self) -> None:
        columns = {name: column[:0] for name, column in generate.transactions(1, 4, DAY).items()}
        self.assertEqual([len(column) for column in self.model(columns).values()], [0, 0, 0])

    def test_planted_rows_are_the_only_errors(self) -> None:
        result = self.model(generate.transactions(50_000, 5, DAY, bad_rows=11))
        errors = [error for error in result["__error__"] if error]
        self.assertEqual(len(errors), 11)
        self.assertEqual(sum(error.startswith("amount: null;") for error in errors), 6)


class RetrainTest(FolderTest):
    def retrain(self, name: str, *arguments: str) -> Path:
        import train

        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(train.main(["--out", str(self.out / name), *arguments]), 0)
        return self.out / name

    @unittest.skipIf(missing_for_training(exact=False), missing_for_training(exact=False))
    def test_the_same_seed_gives_the_same_model(self) -> None:
        small = ("--rows", "8000", "--trees", "5", "--evaluation-rows", "20000")
        first, again, other = (self.retrain(*call, *small) for call in (("a",), ("b",), ("c", "--seed", "8")))
        for name in ("model.onnx", "model.json"):
            self.assertEqual((first / name).read_bytes(), (again / name).read_bytes(), name)
        self.assertNotEqual((first / "model.onnx").read_bytes(), (other / "model.onnx").read_bytes())

    @unittest.skipIf(missing_for_training(exact=True), missing_for_training(exact=True))
    def test_a_full_retrain_gives_the_committed_model(self) -> None:
        folder = self.retrain("full")
        columns = generate.transactions(10_000, 99, DAY)
        retrained = FraudModel(str(folder / "model.onnx"))(columns)["score"]
        difference = np.abs(retrained - FraudModel()(columns)["score"]).max()
        self.assertLessEqual(difference, RETRAIN_MOST_DIFFERENCE)


if __name__ == "__main__":
    unittest.main()
