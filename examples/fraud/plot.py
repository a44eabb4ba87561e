"""Draws scores.png: how the committed model's scores are distributed, and its ROC curve."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.metrics import roc_curve

import generate
from fraud import FraudModel

DAY = datetime.date(2026, 10, 4)  # not used for training, tuning or evaluation
FOLDER = Path(__file__).parent


def main() -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    description = json.loads((FOLDER / "model.json").read_text())
    columns = generate.transactions(500_000, description["training"]["seed"], DAY)
    score, fraud = FraudModel()(columns)["score"], columns["fraud"] == 1
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), dpi=100, layout="constrained")
    bins = np.logspace(-4, 0, 60)
    for name, rows in (("honest", ~fraud), ("fraud", fraud)):
        left.hist(np.clip(score[rows], 1e-4, 1), bins=bins, histtype="step", label=f"{name} ({rows.sum():,} rows)")
    left.axvline(description["review_score"], color="grey", linestyle=":", label="review")
    left.set(xscale="log", yscale="log", xlabel="score", ylabel="rows", title="Scores of one day")
    left.legend()
    for name, values in (("model", score), ("best possible", generate.fraud_probability(columns))):
        false_share, true_share, _ = roc_curve(fraud, values)
        right.plot(false_share, true_share, label=name)
    right.set(xlabel="share of honest rows flagged", ylabel="share of fraud caught", title="ROC", xlim=(0, 0.3))
    right.legend()
    figure.savefig(FOLDER / "scores.png", metadata={"Software": None})


if __name__ == "__main__":
    main()
