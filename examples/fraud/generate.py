"""Synthetic card transactions, made from a seed with numpy alone.

Rows are in order of time. One day, or several with one file each:

    python generate.py --rows 1000000 --seed 7 --out data          data/transactions-1000000.jsonl
    python generate.py --rows 1000000 --seed 7 --out data --days 3  data/transactions-2026-11-20.jsonl and two more

No row is taken from real people, cards or banks. `README.md` tells how every column is distributed; the tables and
`fraud_probability` below are the whole definition, and `test_fraud.py` checks that the one follows the other.
"""

from __future__ import annotations

import argparse
import datetime
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

# Merchant category code (ISO 18245): share of rows, share with the card present, median of amount over the card's
# mean, contribution to the fraud logit.
CATEGORIES = {
    4111: (0.09, 0.95, 0.3, -1.0),  # local transport
    4511: (0.02, 0.05, 5.0, 1.0),  # airlines
    5311: (0.10, 0.75, 1.3, 0.0),  # department stores
    5411: (0.27, 0.97, 0.8, -1.3),  # groceries
    5541: (0.11, 0.98, 1.2, -0.5),  # fuel
    5732: (0.06, 0.45, 2.2, 1.6),  # electronics
    5812: (0.17, 0.93, 0.7, -0.8),  # restaurants
    5816: (0.06, 0.00, 0.4, 1.4),  # digital goods
    5912: (0.06, 0.90, 0.5, -0.8),  # pharmacies
    5944: (0.01, 0.70, 3.0, 2.1),  # jewellery
    6051: (0.01, 0.00, 3.0, 2.7),  # quasi cash
    7011: (0.04, 0.60, 3.5, 0.3),  # hotels
}

# Country of the merchant: share of rows, zone. All cards are issued in DE.
COUNTRIES = {
    "AT": (0.040, "near"),
    "BR": (0.005, "far"),
    "CH": (0.020, "near"),
    "DE": (0.770, "home"),
    "ES": (0.025, "near"),
    "FR": (0.040, "near"),
    "GB": (0.015, "far"),
    "IT": (0.025, "near"),
    "JP": (0.005, "far"),
    "NL": (0.030, "near"),
    "TR": (0.010, "far"),
    "US": (0.015, "far"),
}
ZONE_RISK = {"home": 0.0, "near": 0.8, "far": 1.8}

# Transactions by hour of the day, in per mille.
HOURS = (6, 4, 3, 3, 4, 9, 22, 42, 52, 54, 56, 64, 74, 66, 56, 56, 64, 76, 84, 72, 54, 38, 26, 15)

DECIMALS = {"amount": 2, "km": 1, "ratio": 2}
BAD_ROWS_PER_MILLION = 20
MOST_ROWS = 20_000_000  # a day is held in memory, about 200 bytes a row
MOST_DAYS = 366
CHUNK_ROWS = 50_000


def transactions(rows: int, seed: int, day: datetime.date, bad_rows: int = 0) -> dict[str, np.ndarray]:
    """The day's transactions as columns of one length, with the label in `fraud`.

    `transaction_id` is left to the writers; `ts` is datetime64[s] in UTC, amounts are in euros, a null amount is NaN.
    The same seed and day give the same rows, whatever else is asked for.
    """
    random = np.random.default_rng([seed, day.toordinal(), 0])
    columns = _draw(random, rows, np.datetime64(day, "s"))
    random = np.random.default_rng([seed, day.toordinal(), 1])
    columns["fraud"] = (random.random(rows) < fraud_probability(columns)).astype(np.int64)
    random = np.random.default_rng([seed, day.toordinal(), 2])
    bad = random.choice(rows, size=bad_rows, replace=False)
    columns["amount"][bad[0::2]] = np.nan
    columns["amount"][bad[1::2]] *= -1
    return columns


def _draw(random: np.random.Generator, rows: int, midnight: np.datetime64) -> dict[str, np.ndarray]:
    """Every column but the label."""
    share = np.array(HOURS) / sum(HOURS)
    hour = random.choice(24, size=rows, p=share)
    second = np.sort(hour * 3600 + random.integers(0, 3600, rows))
    codes = np.array(list(CATEGORIES))
    share, present_share, median_ratio, _ = np.array(list(CATEGORIES.values())).T
    category = random.choice(len(codes), size=rows, p=share)
    present = random.random(rows) < present_share[category]
    country = random.choice(len(COUNTRIES), size=rows, p=[share for share, _ in COUNTRIES.values()])
    card_mean = random.lognormal(np.log(38), 0.6, rows)
    amount = card_mean * median_ratio[category] * random.lognormal(0, 0.7, rows)
    amount = np.clip(np.round(amount, 2), 0.5, 50_000)
    names = np.array(list(COUNTRIES))
    gap_s, km = _draw_travel(random, present, names[country] != "DE")
    return {
        "ts": midnight + second.astype("timedelta64[s]"),
        "amount": amount,
        "mcc": codes[category],
        "country": names[country],
        "card_present": present.astype(np.int64),
        "hour": second // 3600,
        "gap_s": gap_s,
        "km": km,
        "ratio": np.clip(np.round(amount / card_mean, 2), 0.01, 999.0),
    }


def _draw_travel(random: np.random.Generator, present: np.ndarray, abroad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and kilometres since the card's last transaction; no kilometres without the card."""
    rows = len(present)
    gap_s = np.clip(random.lognormal(np.log(5 * 3600), 1.6, rows), 1, 30 * 86_400)
    km = random.lognormal(np.log(4), 1.2, rows)
    arrival = abroad & (random.random(rows) < 0.3)
    km = np.where(arrival, random.lognormal(np.log(900), 0.6, rows), km)
    gap_s = np.maximum(gap_s, np.where(km > 200, km / 600 * 3600, 0))  # nobody honest is faster than 600 km/h
    jump = random.random(rows) < 0.004  # the same card in two places at once
    km = np.where(jump, random.lognormal(np.log(2500), 0.5, rows), km)
    gap_s = np.where(jump, random.uniform(60, 3600, rows), gap_s)
    burst = random.random(rows) < 0.02  # one payment right after the other, at the same place
    burst &= ~jump & ~arrival
    gap_s = np.where(burst, random.uniform(5, 120, rows), gap_s)
    km = np.where(burst, 0, km)
    return gap_s.astype(np.int64), np.where(present, np.round(km, 1), 0.0)


def fraud_probability(columns: dict[str, np.ndarray]) -> np.ndarray:
    """What each row's label is drawn with: the best score that any model could give."""
    category_risk = np.array([risk for _, _, _, risk in CATEGORIES.values()])
    zone_risk = np.array([ZONE_RISK[zone] for _, zone in COUNTRIES.values()])
    absent = columns["card_present"] == 0
    logit = np.full(len(absent), -8.6)
    logit += category_risk[np.searchsorted(list(CATEGORIES), columns["mcc"])]
    logit += zone_risk[np.searchsorted(list(COUNTRIES), columns["country"])]
    logit += 1.9 * np.clip(np.log(columns["ratio"]), 0, 3)
    logit += 1.4 * absent
    logit += 2.0 * (absent & (columns["hour"] < 5))
    logit += 4.2 * (absent & (columns["gap_s"] < 120))
    logit += 8.0 * (columns["km"] * 3600 > 900 * columns["gap_s"])
    return 1 / (1 + np.exp(-logit))


def _ids(prefix: str, start: int, stop: int, rows: int) -> list[str]:
    digits = max(7, len(str(rows)))
    return [f"{prefix}-{row:0{digits}d}" for row in range(start, stop)]


def _texts(name: str, column: np.ndarray, null: str) -> list:
    """One chunk of one column as what the row template takes."""
    if name == "ts":
        return np.datetime_as_string(column, unit="s").tolist()
    if name not in DECIMALS:
        return column.tolist()
    texts = list(map(f"%.{DECIMALS[name]}f".__mod__, column.tolist()))
    for row in np.flatnonzero(np.isnan(column)):
        texts[row] = null
    return texts


def _text_rows(columns: dict[str, np.ndarray], template: str, prefix: str, null: str) -> Iterator[bytes]:
    rows = len(columns["ts"])
    for start in range(0, rows, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, rows)
        texts = [_ids(prefix, start, stop, rows)]
        texts += [_texts(name, column[start:stop], null) for name, column in columns.items()]
        yield "".join(map(template.__mod__, zip(*texts, strict=True))).encode()


def write_jsonl(columns: dict[str, np.ndarray], prefix: str, file: BinaryIO) -> None:
    quoted = {"ts": '"%sZ"', "country": '"%s"'}
    fields = [f'"{name}":{quoted.get(name, "%s")}' for name in columns]
    file.writelines(_text_rows(columns, '{"transaction_id":"%s",' + ",".join(fields) + "}\n", prefix, "null"))


def write_csv(columns: dict[str, np.ndarray], prefix: str, file: BinaryIO) -> None:
    file.write((",".join(["transaction_id", *columns]) + "\n").encode())
    fields = ["%sZ" if name == "ts" else "%s" for name in columns]
    file.writelines(_text_rows(columns, "%s," + ",".join(fields) + "\n", prefix, ""))


def write_parquet(columns: dict[str, np.ndarray], prefix: str, file: BinaryIO) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = len(columns["ts"])
    table = {"transaction_id": _ids(prefix, 0, rows, rows), **columns}
    table["ts"] = np.char.add(np.datetime_as_string(columns["ts"], unit="s"), "Z")
    table["amount"] = pyarrow.array(columns["amount"], from_pandas=True)  # NaN becomes null
    pyarrow.parquet.write_table(pyarrow.table(table), file, row_group_size=CHUNK_ROWS)


WRITERS = {"jsonl": write_jsonl, "csv": write_csv, "parquet": write_parquet}


def write(columns: dict[str, np.ndarray], form: str, prefix: str, path: Path) -> None:
    """Writes the file whole or not at all. The name is known before the file is there, so that an interrupt at any moment removes it."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb", buffering=1 << 20) as file:
            WRITERS[form](columns, prefix, file)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    """What the command line says, checked."""
    parser = argparse.ArgumentParser(description="Write synthetic card transactions, one file per day.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows per day (default %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="same seed and day, same rows (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files; made if missing")
    parser.add_argument("--format", choices=WRITERS, default="jsonl", help="default %(default)s")
    parser.add_argument("--start", type=datetime.date.fromisoformat, default="2026-11-20", help="default %(default)s")
    parser.add_argument("--days", type=int, help="files, named by day from --start on (default: one, named by rows)")
    parser.add_argument(
        "--bad-rows",
        type=int,
        help=f"rows per file with a null or negative amount (default {BAD_ROWS_PER_MILLION} per million, at least 1)",
    )
    parser.add_argument("--labels", action="store_true", help="add the column fraud (0 or 1), for training")
    given = parser.parse_args(arguments)
    for name, value, most in (("rows", given.rows, MOST_ROWS), ("days", given.days, MOST_DAYS)):
        if value is not None and not 1 <= value <= most:
            parser.error(f"--{name}: {value}; allowed: 1 to {most}")
    if given.seed < 0:
        parser.error(f"--seed: {given.seed}; allowed: 0 or more")
    if given.bad_rows is None:
        given.bad_rows = max(1, round(given.rows * BAD_ROWS_PER_MILLION / 1_000_000))
    if not 0 <= given.bad_rows <= given.rows:
        parser.error(f"--bad-rows: {given.bad_rows}; allowed: 0 to --rows ({given.rows})")
    if given.format == "parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            parser.error("--format: parquet needs the package pyarrow (pip install pyarrow); jsonl and csv do not")
    return given


def main(arguments: list[str] | None = None) -> int:
    given = _arguments(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    for offset in range(given.days or 1):
        day = given.start + datetime.timedelta(days=offset)
        columns = transactions(given.rows, given.seed, day, given.bad_rows)
        if not given.labels:
            del columns["fraud"]
        path = given.out / f"transactions-{day if given.days else given.rows}.{given.format}"
        write(columns, given.format, f"{day:%y%m%d}", path)
        print(f"{path}: {given.rows} rows, {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
