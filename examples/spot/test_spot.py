"""Tests of the slowed model: the same scores as the fraud model's, at the pace that is asked for."""

import time
import unittest
from pathlib import Path

import numpy as np

try:
    import onnxruntime  # noqa: F401 - the model needs it
except ImportError as missing:
    raise unittest.SkipTest(f"{missing.name} is missing: examples/fraud/requirements.txt names it") from missing

import sys

sys.path.insert(0, str(Path(__file__).parent))

from slow import FraudModel, SlowFraudModel

BATCH = {
    "amount": np.array([12.5, 900.0, -1.0]),
    "mcc": np.array([5411, 6051, 5411]),
    "country": np.array(["DE", "US", "DE"], dtype=object),
    "card_present": np.array([True, False, True]),
    "hour": np.array([12, 3, 12]),
    "gap_s": np.array([3600, 60, 3600]),
    "km": np.array([1.0, 6000.0, 1.0]),
    "ratio": np.array([0.9, 12.0, 0.9]),
}


class SlowFraudModelTest(unittest.TestCase):
    def test_scores_are_those_of_the_fraud_model_and_take_their_time(self) -> None:
        model = SlowFraudModel(slowed_to_rows_per_second=10)
        began = time.monotonic()
        slow = model(BATCH)
        self.assertGreaterEqual(time.monotonic() - began, 0.3)
        quick = FraudModel()(BATCH)
        self.assertEqual(quick.keys(), slow.keys())
        for name, column in quick.items():
            np.testing.assert_array_equal(column, slow[name])


if __name__ == "__main__":
    unittest.main()
