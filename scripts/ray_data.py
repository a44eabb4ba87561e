"""The same rows and the same class through Ray Data: read_json, map_batches, write_json.

Prints one JSON object: the seconds of each step, and the versions. Two data sets are written one after the other, the second by a Ray that is up.
Everything stays on the loopback interface and below --temp; HOME should be a private folder."""

import os
import time

began = time.time()  # the import of Ray belongs to its start

os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")

import argparse
import json
import logging
import sys

import pyarrow
import ray
import ray.data


def score(options: argparse.Namespace, output: str) -> float:
    """Seconds from the reading of the input to the last written file."""
    from bench_identity import Identity

    start = time.time()
    rows = ray.data.read_json(options.input)
    # Half a CPU for each actor leaves CPUs to the tasks that read and write.
    scored = rows.map_batches(Identity, concurrency=options.scorers, batch_size=options.batch_rows, num_cpus=0.5)
    scored.write_json(output)
    return time.time() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True, help="folder; gets the folders first and second")
    parser.add_argument("--path", required=True, help="folder with bench_identity.py")
    parser.add_argument("--temp", required=True, help="folder for Ray's session, a short path")
    parser.add_argument("--scorers", type=int, required=True)
    parser.add_argument("--batch-rows", type=int, required=True)
    parser.add_argument("--started", type=float, default=began, help="Unix time at which this program was started")
    options = parser.parse_args()
    sys.path.insert(0, options.path)
    cpus = max(os.cpu_count() or 1, options.scorers)
    ray.init(
        address="local",
        num_cpus=cpus,
        object_store_memory=1 << 30,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _node_ip_address="127.0.0.1",
        _temp_dir=options.temp,
        runtime_env={"env_vars": {"PYTHONPATH": options.path}},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    up = time.time()
    first = score(options, os.path.join(options.output, "first"))
    with_start = time.time() - options.started
    second = score(options, os.path.join(options.output, "second"))
    print(
        json.dumps(
            {
                "seconds_with_start": with_start,
                "seconds_to_start": up - options.started,
                "seconds_first": first,
                "seconds": second,
                "versions": {"ray": ray.__version__, "pyarrow": pyarrow.__version__},
            }
        )
    )
    ray.shutdown()


if __name__ == "__main__":
    main()
