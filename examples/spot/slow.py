"""The fraud model of examples/fraud, slowed down on purpose: a demonstration of minutes needs little work that takes long."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "fraud"))

from fraud import FraudModel


class SlowFraudModel:
    """Scores as FraudModel does, but no more than a number of rows per second."""

    def __init__(self, slowed_to_rows_per_second: float):
        """Loads the model."""
        self._model = FraudModel()
        self._pace = slowed_to_rows_per_second

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Scores, and waits for what is left of the time that so many rows shall take."""
        began = time.monotonic()
        scores = self._model(batch)
        rows = len(next(iter(batch.values()), ()))
        time.sleep(max(rows / self._pace - (time.monotonic() - began), 0))
        return scores
