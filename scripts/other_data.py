"""Converts published traces, and makes synthetic ones, into what the benchmarks of decisions read: other data than those of the tables."""

import csv
import datetime
import gzip
import itertools
import json
import math
import random
import statistics
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

ROUND = 600  # seconds, of all that has none of its own
Series = dict[str, list[int]]  # by name: what is granted in each tick


def resampled(values: Sequence[int], gap: float, every: float) -> list[int]:
    """What was seen last at each of the new distances."""
    return [values[int(i * every / gap)] for i in range(int(len(values) * gap / every))]


def write_windows(folder: Path, series: Series, gap: float, ticks: int, windows: int) -> None:
    """So many windows of each series, evenly spread; each says where in its series it begins, so that what was before can be looked at."""
    for name, granted in series.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        last = max(len(granted) - ticks, 0)
        for i in range(windows):
            first = round(last * (i + 1) / windows) if windows > 1 else last
            data = [int(count == 0) for count in granted[first : first + ticks]]
            (folder / name / f"{i:03}.json").write_text(json.dumps({"metadata": {"gap_seconds": gap, "start_time": first}, "data": data}))


def write_capacity(path: Path, zones: Series, gap: float) -> None:
    """Counts of what is granted, as the probes of SkyNomad are written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begin = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["scheduled_at", "zone", "instances_created"])
        for zone, granted in zones.items():
            out.writerows([(begin + datetime.timedelta(seconds=i * gap)).isoformat(), zone, count] for i, count in enumerate(granted))


def write_rates(path: Path, window: float, rates: Iterable[float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["window_start_s", "requests_per_s"])
        out.writerows([i * window, rate] for i, rate in enumerate(rates))


def spot_traces(folder: Path) -> tuple[Series, float]:
    """A folder of skypilot-org/spot-traces. Values are how many instances there are."""
    series, gap = {}, 0.0
    for path in sorted(folder.glob("*.json")):
        read = json.loads(path.read_text())
        gap = read["metadata"]["gap_seconds"]
        series[path.stem] = read["data"]
    if not series:
        raise FileNotFoundError(f"{folder}: there is no *.json")
    return series, gap


def whole_series(archive: Path) -> Series:
    """The series of the cant_be_late archive, put together from their windows."""
    series: Series = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.name.endswith(".json"):
                continue
            read = json.load(tar.extractfile(member))
            first, data = read["metadata"]["start_time"], read["data"]
            granted = series.setdefault(member.name.split("/")[-4], [])
            granted.extend([0] * (first + len(data) - len(granted)))
            granted[first : first + len(data)] = [1 - value for value in data]
    return dict(sorted(series.items()))


def parcae(path: Path, every: float = ROUND) -> list[int]:
    """How many nodes there are, of a file of events: milliseconds, add or remove, the node."""
    with path.open() as file:
        rows = [(float(at), 1 if what == "add" else -1) for at, what, _ in csv.reader(file)]
    granted, there, last = [], 0, 0
    for i in range(int(rows[-1][0] / 1000 / every) + 1):
        while last < len(rows) and rows[last][0] / 1000 <= i * every:
            there, last = there + rows[last][1], last + 1
        granted.append(there)
    return granted


def counted(path: Path) -> tuple[float, list[float]]:
    """Counts at equal distances, as in the Numenta benchmark: the distance in seconds, and a rate. What is missing repeats what was before."""
    with path.open() as file:
        rows = [(datetime.datetime.fromisoformat(at), float(value)) for at, value in itertools.islice(csv.reader(file), 1, None)]
    gap = statistics.median((b[0] - a[0]).total_seconds() for a, b in itertools.pairwise(rows))
    rates: list[float] = []
    for at, value in rows:
        index = round((at - rows[0][0]).total_seconds() / gap)
        rates.extend(rates[-1:] * (index - len(rates)))
        if index >= len(rates):
            rates.append(value / gap)
    return gap, rates


def tokens(path: Path, window: float) -> list[float]:
    """Tokens of an hour of requests, as rates in windows."""
    with path.open() as file:
        rows = [(datetime.datetime.fromisoformat(row["TIMESTAMP"][:26]), float(row["ContextTokens"]) + 10 * float(row["GeneratedTokens"])) for row in csv.DictReader(file)]
    rates = [0.0] * (int((rows[-1][0] - rows[0][0]).total_seconds() / window) + 1)
    for at, value in rows:
        rates[int((at - rows[0][0]).total_seconds() / window)] += value / window
    return rates[:-1]


def shaped(rates: Path, requests: Path, window: int = 60) -> tuple[float, list[float]]:
    """Rates in windows of ten minutes, of which every hour has the shape of one recorded hour of requests."""
    with rates.open() as file:
        level = [float(row["requests_per_s"]) for row in csv.DictReader(file)]
    shape = tokens(requests, window)
    mean = sum(shape) / len(shape)
    return window, [level[i * window // ROUND] * shape[i % len(shape)] / mean for i in range(len(level) * ROUND // window)]


def halves(capacity: Path, folder: Path) -> dict[str, Path]:
    """A file of capacity, cut in the middle of its time."""
    with gzip.open(capacity, "rt", newline="") as file:
        header, *rows = csv.reader(file)
    at = header.index("scheduled_at")
    rows.sort(key=lambda row: datetime.datetime.fromisoformat(row[at]))
    middle = len(rows) // 2
    paths = {}
    for name, part in (("first", rows[:middle]), ("second", rows[middle:])):
        paths[name] = folder / f"{name}.csv"
        with paths[name].open("w", newline="") as file:
            csv.writer(file).writerows([header, *part])
    return paths


def runs(seed: int, ticks: int, up, down) -> list[int]:
    """Runs with and without capacity, whose lengths in ticks are drawn by two functions of a generator and the tick at which they begin."""
    source = random.Random(seed)
    granted: list[int] = []
    there = True
    while len(granted) < ticks:
        length = max(1, round((up if there else down)(source, len(granted))))
        granted += [int(there)] * length
        there = not there
    return granted[:ticks]


def exponential(mean: float):
    return lambda source, _: source.expovariate(1 / mean)


def lognormal(median: float, sigma: float):
    return lambda source, _: median * math.exp(sigma * source.gauss(0, 1))


def fixed(length: float):
    return lambda source, tick: length


def by_hour(day: float, night: float):
    """Exponential, with one mean by day and another by night."""
    return lambda source, tick: source.expovariate(1 / (day if 6 <= tick / 6 % 24 < 22 else night))


SHAPES = {  # ticks of ten minutes, with and without capacity
    "markov-hours": (exponential(18), exponential(6)),
    "markov-even": (exponential(12), exponential(12)),
    "markov-scarce": (exponential(6), exponential(36)),
    "markov-days": (exponential(144), exponential(72)),
    "flicker": (exponential(2), exponential(2)),
    "heavy-tails": (lognormal(4, 1.5), lognormal(2, 1.5)),
    "long-or-short": (lambda source, _: source.expovariate(1 / (60 if source.random() < 0.3 else 2)), exponential(4)),
    "by-day": (by_hour(4, 40), by_hour(12, 3)),
    "period-of-an-hour": (fixed(3), fixed(3)),
    "period-of-20-minutes": (fixed(1), fixed(1)),
    "gone-after-ten": (fixed(1), fixed(9)),
    "trap": (lambda source, tick: 6 if tick < 72 else 1, lambda source, tick: 1 if tick < 72 else 24),
    "never": (fixed(1), fixed(100_000)),
    "always": (fixed(100_000), fixed(1)),
}


def synthetic(ticks: int = 600, draws: int = 6) -> dict[str, Series]:
    """By shape: so many draws, each a series of its own."""
    return {name: {f"{name}-{seed}": runs(seed, ticks, up, down) for seed in range(draws)} for name, (up, down) in SHAPES.items()}
