"""Makes the random forest on the spot: a file of a few hundred MB that nobody wants in a repository."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import joblib
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score

from readings import FEATURES, readings

TRAINING_SEED, EVALUATION_SEED = 1_000_001, 1_000_002


def forest(rows: int, trees: int, seed: int, jobs: int) -> RandomForestRegressor:
    """Trees grown until every leaf is pure: the forest is as large as its training data allow."""
    columns = readings(rows, TRAINING_SEED)
    model = RandomForestRegressor(n_estimators=trees, max_features=3, random_state=seed, n_jobs=jobs)
    return model.fit(matrix(columns), columns["kwh_next"])


def matrix(columns: dict[str, np.ndarray]) -> np.ndarray:
    return np.column_stack([columns[name] for name in FEATURES]).astype(np.float32)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the random forest; write forest.joblib.")
    parser.add_argument("--rows", type=int, default=100_000, help="rows to grow each tree on (default %(default)s)")
    parser.add_argument("--trees", type=int, default=40, help="default %(default)s")
    parser.add_argument("--seed", type=int, default=7, help="default %(default)s")
    parser.add_argument("--jobs", type=int, default=2, help="cores; the forest is the same (default %(default)s)")
    parser.add_argument("--small", action="store_true", help="5 trees on 2,000 rows, for tests")
    default = Path(__file__).parent / "data"
    parser.add_argument("--out", type=Path, default=default, metavar="DIR", help="default: data beside this file")
    given = parser.parse_args(arguments)
    if given.small:
        given.rows, given.trees = 2_000, 5
    for name in ("rows", "trees", "jobs"):
        if getattr(given, name) < 1:
            parser.error(f"--{name}: {getattr(given, name)}; allowed: 1 or more")
    given.out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    model = forest(given.rows, given.trees, given.seed, given.jobs)
    seconds = time.monotonic() - start
    model.set_params(n_jobs=1)
    columns = readings(min(given.rows, 10_000), EVALUATION_SEED)
    r2 = r2_score(columns["kwh_next"], model.predict(matrix(columns)))
    path = given.out / "forest.joblib"
    temporary = path.with_name(".forest.joblib.new")
    joblib.dump(model, temporary)
    os.replace(temporary, path)
    nodes = sum(tree.tree_.node_count for tree in model.estimators_)
    size = path.stat().st_size
    print(f"{path}: {given.trees} trees, {nodes} nodes, {size} bytes; grown in {seconds:.1f} s; R2 {r2:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
