"""Trains the fraud model on generated transactions and writes model.onnx and model.json.

    python train.py --seed 7 --out .

The same seed, sizes and package versions give the same bytes.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import platform
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import skl2onnx
import sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import average_precision_score, roc_auc_score

import generate
from fraud import FEATURES, FraudModel, features

TRAINING_DAY = datetime.date(2026, 10, 1)
TUNING_DAY = datetime.date(2026, 10, 2)
EVALUATION_DAY = datetime.date(2026, 10, 3)
REVIEW_SHARE = 0.005  # of a day's transactions that people can look at
MOST_EXPORT_DIFFERENCE = 1e-5  # between a score as trained (float64) and as exported (float32)
TABLES = {"mcc": list(generate.CATEGORIES), "country": list(generate.COUNTRIES)}
TARGET_OPSET = {"": 15, "ai.onnx.ml": 3}


def train(rows: int, trees: int, seed: int) -> GradientBoostingClassifier:
    columns = generate.transactions(rows, seed, TRAINING_DAY)
    matrix, _ = features(columns, TABLES)
    classifier = GradientBoostingClassifier(
        n_estimators=trees,
        max_depth=4,
        learning_rate=0.15,
        subsample=0.5,
        min_samples_leaf=300,  # fraud is rare: in a small leaf one odd label makes a boundless step
        random_state=seed,
    )
    return classifier.fit(matrix, columns["fraud"])


def export(classifier: GradientBoostingClassifier, metadata: dict[str, str], path: Path) -> None:
    """Writes the classifier as ONNX: features in, probabilities out, what scoring must know in the metadata."""
    model = skl2onnx.to_onnx(
        classifier,
        initial_types=[("features", FloatTensorType([None, len(FEATURES)]))],
        options={id(classifier): {"zipmap": False}},
        target_opset=TARGET_OPSET,
        name="fraud",
    )
    onnx.helper.set_model_props(model, metadata)
    path.write_bytes(model.SerializeToString(deterministic=True))


def evaluate(model: FraudModel, rows: int, seed: int) -> dict[str, object]:
    """Scores a day the model has not seen, through the class that serves."""
    columns = generate.transactions(rows, seed, EVALUATION_DAY)
    result = model(columns)
    label, review = columns["fraud"], result["decision"] == "review"
    best = generate.fraud_probability(columns)
    return {
        "day": str(EVALUATION_DAY),
        "rows": rows,
        "fraud_share": round(label.mean(), 5),
        "auc": round(roc_auc_score(label, result["score"]), 4),
        "auc_best_possible": round(roc_auc_score(label, best), 4),
        "average_precision": round(average_precision_score(label, result["score"]), 4),
        "average_precision_best_possible": round(average_precision_score(label, best), 4),
        "review_share": round(review.mean(), 5),
        "review_precision": round(label[review].mean(), 4),
        "review_recall": round(label[review].sum() / label.sum(), 4),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train the fraud model; write model.onnx and model.json.")
    parser.add_argument("--rows", type=int, default=200_000, help="rows to train on (default %(default)s)")
    parser.add_argument("--trees", type=int, default=100, help="default %(default)s")
    parser.add_argument("--seed", type=int, default=7, help="default %(default)s")
    parser.add_argument("--evaluation-rows", type=int, default=500_000, help="default %(default)s")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, metavar="DIR", help="default: beside this")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out.resolve() / "model.onnx"
    start = time.monotonic()
    classifier = train(given.rows, given.trees, given.seed)
    print(f"trained {given.trees} trees on {given.rows} rows in {time.monotonic() - start:.1f} s")
    tuning = generate.transactions(given.evaluation_rows, given.seed, TUNING_DAY)
    scores = classifier.predict_proba(features(tuning, TABLES)[0])[:, 1]
    review_score = round(float(np.quantile(scores, 1 - REVIEW_SHARE)), 6)
    export(classifier, {"tables": json.dumps(TABLES), "review_score": str(review_score)}, path)
    model = FraudModel(str(path))
    difference = float(np.abs(model(tuning)["score"] - scores).max())
    if not difference <= MOST_EXPORT_DIFFERENCE:
        print(f"export: scores differ by {difference}; allowed: {MOST_EXPORT_DIFFERENCE}", file=sys.stderr)
        return 1
    modules = {"numpy": np, "onnx": onnx, "scikit-learn": sklearn, "skl2onnx": skl2onnx}
    description = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "features": list(FEATURES),
        "tables": TABLES,
        "review_score": review_score,
        "training": {"rows": given.rows, "trees": given.trees, "seed": given.seed, "day": str(TRAINING_DAY)},
        "export_difference": round(difference, 8),
        "evaluation": evaluate(model, given.evaluation_rows, given.seed),
        "versions": {
            "python": platform.python_version(),
            **{name: module.__version__ for name, module in modules.items()},
        },
    }
    path.with_suffix(".json").write_text(json.dumps(description, indent=2) + "\n")
    print(json.dumps(description["evaluation"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
