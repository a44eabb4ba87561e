"""Scores card transactions for fraud.

`FraudModel` is the class one would give to Ray Data: `__init__` loads the model, `__call__` takes a batch as columns
and returns columns. A row that cannot be scored gets its reason in `__error__` and harms no other row.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import onnxruntime

# What a number must lie between, both included.
LIMITS = {
    "amount": (0.01, 1_000_000),  # euros
    "mcc": (1, 9999),  # merchant category code, ISO 18245
    "card_present": (0, 1),
    "hour": (0, 23),  # of the day, UTC
    "gap_s": (0, 31_536_000),  # seconds since the card's last transaction
    "km": (0, 20_040),  # from the place of the card's last transaction; half the equator at most
    "ratio": (0.001, 100_000),  # amount over the card's mean amount
}
FEATURES = (*LIMITS, "country", "km_per_hour")


class FraudModel:
    """A gradient boosting classifier in ONNX, run on the processor."""

    def __init__(self, model: str = "model.onnx", threads: int = 1):
        """Loads `model` (a path, relative to this file); one batch is scored by `threads` threads."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        path = Path(__file__).parent / model
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._tables = json.loads(metadata["tables"])
        self._review_score = float(metadata["review_score"])

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns score (0 to 1, six decimals), decision ("review" or "pass") and `__error__` (text or None) per row.

        A row with an error has the score NaN and no decision.
        """
        matrix, errors = features(batch, self._tables)
        score = np.empty(0)
        if len(matrix):
            score = self._session.run(["probabilities"], {"features": matrix})[0][:, 1]
            score = np.round(score.astype(np.float64), 6)
        decision = np.where(score >= self._review_score, "review", "pass").astype(object)
        bad = np.flatnonzero(errors)
        score[bad] = np.nan
        decision[bad] = None
        return {"score": score, "decision": decision, "__error__": errors}


def features(batch: dict[str, np.ndarray], tables: dict[str, list]) -> tuple[np.ndarray, np.ndarray]:
    """The matrix that the model takes (float32, columns as FEATURES) and one error text or None per row.

    `tables` holds the merchant category codes (ascending) and countries known to the model; a value is replaced by its
    place in the table, an unknown one by the table's length. Training and scoring both come through here.
    """
    rows = len(next(iter(batch.values()), ()))
    missing = np.full(rows, None)
    errors = np.full(rows, None)
    numbers = {}
    for name, (low, high) in LIMITS.items():
        column = batch.get(name, missing)
        numbers[name] = _numbers(column)
        with np.errstate(invalid="ignore"):
            bad = ~((numbers[name] >= low) & (numbers[name] <= high))
        for row in np.flatnonzero(bad):
            errors[row] = errors[row] or f"{name}: {_shown(column[row])}; allowed: a number from {low} to {high}"
    mcc = np.searchsorted(tables["mcc"], numbers["mcc"])
    known = np.append(tables["mcc"], -1)[mcc] == numbers["mcc"]
    numbers["mcc"] = np.where(known, mcc, len(tables["mcc"]))
    places = {country: place for place, country in enumerate(tables["country"])}
    column = batch.get("country", missing)
    texts = column.tolist()
    numbers["country"] = np.array([places.get(text, len(places)) if isinstance(text, str) else -1 for text in texts])
    for row in np.flatnonzero(numbers["country"] < 0):
        errors[row] = errors[row] or f"country: {_shown(column[row])}; allowed: a country code such as DE"
    with np.errstate(invalid="ignore", over="ignore"):
        numbers["km_per_hour"] = numbers["km"] * 3600 / np.maximum(numbers["gap_s"], 1)
        matrix = np.column_stack([numbers[name] for name in FEATURES]).astype(np.float32)
    return matrix, errors


def _numbers(column: np.ndarray) -> np.ndarray:
    """The column as float64, NaN where a value is null or no number."""
    try:
        return column.astype(np.float64)  # None becomes NaN, text is parsed (CSV)
    except (TypeError, ValueError, OverflowError):
        return np.array([_number(value) for value in column.tolist()], dtype=np.float64)


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _shown(value: object) -> str:
    """The value as it would stand in JSON, at most 40 characters of it."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, float) and math.isnan(value):
        return "null"
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else text[:37] + "..."
