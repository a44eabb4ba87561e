"""Runs each benchmark of decisions on a tiny synthetic input with two programs, the second of which has one rule of the planner changed, and compares their tables."""

import json
import os
import subprocess
import sys
from pathlib import Path


def traces(folder: Path) -> None:
    """Two series of a day: spot capacity comes and goes, every hour and every third."""
    for name, length in (("hourly", 6), ("lazy", 18)):
        (folder / name).mkdir(parents=True)
        for window in range(3):
            data = [(tick // length + window) % 2 for tick in range(144)]
            (folder / name / f"{window}.json").write_text(json.dumps({"metadata": {"gap_seconds": 600}, "data": data}))


def capacity(path: Path) -> None:
    """One zone for ten hours, whose spot capacity changes every hour."""
    rows = [f"2025-10-01T{minute // 60:02}:{minute % 60:02}:00Z,zone,{minute // 60 % 4}" for minute in range(0, 600, 10)]
    path.write_text("\n".join(["scheduled_at,zone,instances_created", *rows]) + "\n")


def arrivals(path: Path) -> None:
    """Two days of arrivals, with more of them at noon."""
    rows = [f"{window * 600},{10 if 60 <= window % 144 < 84 else 4}" for window in range(288)]
    path.write_text("\n".join(["start_s,rate", *rows]) + "\n")


def requests(path: Path) -> None:
    """Six hours of requests, each for another of five models than the one before."""
    rows = [f"{number * 40},m{number * number % 5},20,25" for number in range(540)]
    path.write_text("\n".join(["arrival_s,model,exec_s,load_s", *rows]) + "\n")


def rows(program: str, arguments: list[str]) -> dict[tuple[str, str], object]:
    done = subprocess.run([program, "bench", *arguments, "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return {(row["cell"], row["policy"]): row for row in json.loads(done.stdout)["rows"]}


def main() -> None:
    scratch = Path(sys.argv[1])
    traces(scratch / "traces")
    capacity(scratch / "capacity.csv")
    arrivals(scratch / "arrivals.csv")
    requests(scratch / "requests.csv")
    benches = {
        "deadline-spot": ["--traces", str(scratch / "traces"), "--task", "8", "--deadline", "10,14", "--restart", "0.1"],
        "elastic-width": ["--capacity", str(scratch / "capacity.csv"), "--work", "12", "--width", "4", "--deadline", "5", "--price-ratio", "5", "--every", "10"],
        "backlog-replay": ["--arrivals", str(scratch / "arrivals.csv"), "--objective", "1h", "--no-curves"],
        "model-load": ["--requests", str(scratch / "requests.csv"), "--deadline", "5m,15m", "--workers", "2"],
    }
    failed = False
    for name, arguments in benches.items():
        before, after = (rows(os.environ[program], [name, *arguments]) for program in ("NIGHTSHIFT", "CHANGED"))
        changed = [key for key in before if before[key] != after[key]]
        ours = [cell for cell, policy in before if policy == "nightshift"]
        same = [cell for cell in ours if (cell, "nightshift") not in changed]
        peers = sorted({policy for _, policy in changed if policy != "nightshift"})
        failed |= bool(same or peers or not ours)
        print(f"{name}: {len(ours) - len(same)} of {len(ours)} rows of nightshift change with the rule, {len(before) - len(ours)} rows of others do not, except {peers or 'none'}")
    if failed:
        sys.exit("a table does not show the planner, or shows it as something else")
    print("every table shows the planner")


if __name__ == "__main__":
    main()
