"""Collects real text that is on any machine, as passages in JSON Lines with the columns id, path and text.

    python collect.py --out data                        Python's own standard library
    python collect.py --out data --rows 20000 FOLDER...  other folders

Passages come in the order of the sorted paths; files that are not UTF-8 are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

SUFFIXES = (".py", ".txt", ".md", ".rst", ".html")
MOST_FILE_BYTES = 1 << 20
MOST_ROWS = 1_000_000


def passages(folders: list[Path], characters: int) -> Iterator[dict[str, str]]:
    """Each file's text in pieces of at most so many characters, cut between lines where that is possible."""
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES):
            if not path.is_file() or path.stat().st_size > MOST_FILE_BYTES or "site-packages" in path.parts:
                continue
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            name = str(path.relative_to(folder))
            for number, piece in enumerate(_pieces(text, characters)):
                yield {"id": f"{name}#{number}", "path": name, "text": piece}


def _pieces(text: str, characters: int) -> Iterator[str]:
    start = 0
    while start < len(text):
        stop = min(start + characters, len(text))
        if stop < len(text):
            line_end = text.rfind("\n", start, stop)
            stop = line_end + 1 if line_end > start else stop
        if piece := text[start:stop].strip():
            yield piece
        start = stop


def write(rows: Iterator[dict[str, str]], path: Path) -> int:
    """Writes the rows, whole or not at all, and counts them."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    count = 0
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return count


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Collect passages of text from folders.")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="default: Python's standard library")
    parser.add_argument("--rows", type=int, default=2000, help="at most so many passages (default %(default)s)")
    parser.add_argument("--characters", type=int, default=1000, help="of a passage, at most (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the file; made if missing")
    given = parser.parse_args(arguments)
    if not 1 <= given.rows <= MOST_ROWS:
        parser.error(f"--rows: {given.rows}; allowed: 1 to {MOST_ROWS}")
    if not 1 <= given.characters <= 100_000:
        parser.error(f"--characters: {given.characters}; allowed: 1 to 100000")
    folders = given.folders or [Path(sysconfig.get_path("stdlib"))]
    for folder in folders:
        if not folder.is_dir():
            parser.error(f"FOLDER: {folder} is no folder")
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "passages.jsonl"
    count = write(islice(passages(folders, given.characters), given.rows), path)
    print(f"{path}: {count} rows, {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
