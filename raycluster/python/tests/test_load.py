import pathlib
import sys
import tempfile
import unittest

from nightshift_scorer.load import load
from nightshift_scorer.refusal import Refusal

SOURCE = """
class Plain:
    def __init__(self, factor=2):
        self.factor = factor
    def __call__(self, batch):
        return {"n": [n * self.factor for n in batch["n"]]}
class Child(Plain):
    pass
class Mute:
    pass
class Outer:
    Inner = Child
def function(batch, factor=3):
    return {"n": [n * factor for n in batch["n"]]}
number = 7
"""


class Load(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        pathlib.Path(folder.name, "user_models.py").write_text(SOURCE)
        sys.path.insert(0, folder.name)
        cls.addClassCleanup(sys.path.remove, folder.name)

    def test_targets(self) -> None:
        for target, parameters, want in [
            ("user_models:Plain", {}, 2),
            ("user_models:Plain", {"factor": 5}, 5),
            ("user_models:Child", {}, 2),
            ("user_models:Outer.Inner", {}, 2),
            ("user_models:function", {}, 3),
            ("user_models:function", {"factor": 4}, 4),
        ]:
            with self.subTest(target):
                self.assertEqual(load(target, parameters)({"n": [1]}), {"n": [want]})

    def test_refusals(self) -> None:
        for target, code, message in [
            ("user_models", "bad_target", "'user_models' is not module:Class"),
            (":Plain", "bad_target", "':Plain' is not module:Class"),
            ("user_models:Plian", "no_such_class", "user_models has no Plian; was Plain meant?"),
            ("user_models:Zebra", "no_such_class", "user_models has no Zebra"),
            ("user_models:Mute", "not_callable", "user_models:Mute has no method __call__(self, batch)"),
            ("user_models:number", "not_callable", "user_models:number is a int, not a class or a function"),
        ]:
            with self.subTest(target), self.assertRaises(Refusal) as caught:
                load(target, {})
            self.assertEqual((caught.exception.code, str(caught.exception)), (code, message))

    def test_errors_of_the_user_pass(self) -> None:
        with self.assertRaises(ModuleNotFoundError):
            load("no_such_module:Plain", {})
        with self.assertRaises(TypeError):
            load("user_models:Plain", {"fcator": 5})


if __name__ == "__main__":
    unittest.main()
