"""Synthetic electricity meters, made from a seed: one row per meter and hour, and what the meter counts in the next hour.

    python readings.py --rows 100000 --out data

No row is taken from real households. `README.md` tells what the rows are made of.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

FEATURES = ("hour", "weekday", "temperature", "floor_m2", "heat_pump", "kwh_now", "kwh_day_ago", "kwh_week_ago")
MOST_ROWS = 10_000_000
CHUNK_ROWS = 50_000
TEMPLATE = (
    '{"meter_id":"m%07d","hour":%d,"weekday":%d,"temperature":%.1f,"floor_m2":%d,"heat_pump":%d,'
    '"kwh_now":%.3f,"kwh_day_ago":%.3f,"kwh_week_ago":%.3f}\n'
)


def readings(rows: int, seed: int) -> dict[str, np.ndarray]:
    """The features as columns, and the answer in `kwh_next`; temperatures in degrees Celsius."""
    random = np.random.default_rng(seed)
    hour = random.integers(0, 24, rows)
    weekday = random.integers(0, 7, rows)
    temperature = np.round(random.normal(9, 8, rows) + 4 * np.sin((hour - 9) / 24 * 2 * np.pi), 1)
    floor_m2 = np.clip(random.lognormal(np.log(95), 0.4, rows), 20, 600).astype(np.int64)
    heat_pump = (random.random(rows) < 0.2).astype(np.int64)

    def used(hour: np.ndarray, weekend: np.ndarray, temperature: np.ndarray) -> np.ndarray:
        evening = np.exp(-(((hour - 19) / 3) ** 2))
        morning = np.exp(-(((hour - (7.5 + 2 * weekend)) / 1.5) ** 2))
        base = 0.12 + 0.0016 * floor_m2 * (0.5 + 1.6 * evening + 0.9 * morning + 0.2 * weekend)
        heating = heat_pump * floor_m2 * 0.0011 * np.maximum(0, 16 - temperature)
        return (base + heating) * random.lognormal(0, 0.35, rows)

    weekend = (weekday >= 5).astype(np.int64)
    colder = temperature + random.normal(0, 2, rows)
    return {
        "hour": hour,
        "weekday": weekday,
        "temperature": temperature,
        "floor_m2": floor_m2,
        "heat_pump": heat_pump,
        "kwh_now": np.round(used(hour, weekend, temperature), 3),
        "kwh_day_ago": np.round(used(hour, np.isin(weekday, (0, 6)).astype(np.int64), colder), 3),
        "kwh_week_ago": np.round(used(hour, weekend, temperature + random.normal(0, 4, rows)), 3),
        "kwh_next": np.round(used((hour + 1) % 24, weekend, temperature), 3),
    }


def write(rows: int, seed: int, path: Path) -> None:
    """Writes the readings as JSON Lines, whole or not at all."""
    columns = readings(rows, seed)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            for start in range(0, rows, CHUNK_ROWS):
                stop = min(start + CHUNK_ROWS, rows)
                values = [columns[name][start:stop].tolist() for name in FEATURES]
                rows_of_chunk = zip(range(start, stop), *values, strict=True)
                file.write("".join(map(TEMPLATE.__mod__, rows_of_chunk)))
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write synthetic meter readings as JSON Lines.")
    parser.add_argument("--rows", type=int, default=100_000, help="default %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default %(default)s")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the file; made if missing")
    given = parser.parse_args(arguments)
    if not 1 <= given.rows <= MOST_ROWS:
        parser.error(f"--rows: {given.rows}; allowed: 1 to {MOST_ROWS}")
    if given.seed < 0:
        parser.error(f"--seed: {given.seed}; allowed: 0 or more")
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"readings-{given.rows}.jsonl"
    write(given.rows, given.seed, path)
    print(f"{path}: {given.rows} rows, {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
