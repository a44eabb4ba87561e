"""Forecasts the next hour of electricity meters with a random forest that is slow to load.

`ForestModel` is the class one would give to Ray Data.
"""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np

from readings import FEATURES


class ForestModel:
    """A random forest of scikit-learn, a few hundred MB in memory."""

    def __init__(self, model: str = "data/forest.joblib", threads: int = 1):
        """Loads `model`, a path relative to this file. joblib runs what the file says: load only what you made yourself."""
        self._forest = joblib.load(Path(__file__).parent / model)
        self._forest.set_params(n_jobs=threads)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns kwh (three decimals) and `__error__` (text or None) per row; kwh is NaN where there is an error."""
        rows = len(next(iter(batch.values())))
        matrix = np.full((rows, len(FEATURES)), np.nan, dtype=np.float32)
        errors = np.full(rows, None)
        for place, name in enumerate(FEATURES):
            if name in batch:
                matrix[:, place] = _numbers(batch[name])
            for row in np.flatnonzero(~np.isfinite(matrix[:, place])):
                errors[row] = errors[row] or f"{name}: missing or not a number; allowed: a number"
        kwh = np.full(rows, np.nan)
        good = np.equal(errors, None)
        if good.any():
            kwh[good] = np.round(self._forest.predict(matrix[good]), 3)
        return {"kwh": kwh, "__error__": errors}


def _numbers(column: np.ndarray) -> np.ndarray:
    """The column as numbers, NaN where a value is null or no number."""
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.array([_number(value) for value in column.tolist()])


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return float("nan")
