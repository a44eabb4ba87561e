"""The command line: python -m nightshift_scorer module:Class [--path DIR]..."""

import sys

from nightshift_scorer import host
from nightshift_scorer.stream import Stream

USAGE = "usage: python -m nightshift_scorer module:Class [--path DIR]...\n"


def parse(arguments: list[str]) -> tuple[str, list[str]]:
    """The name of the class, and the folders to look for its module in. By hand: argparse takes 10 ms to import."""
    names: list[str] = []
    folders: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--path":
            folders.append(next(rest, ""))
        elif argument.startswith("--path="):
            folders.append(argument.removeprefix("--path="))
        else:
            names.append(argument)
    if len(names) != 1 or names[0].startswith("-") or "" in folders:
        raise SystemExit(USAGE)
    return names[0], folders


if __name__ == "__main__":
    target, paths = parse(sys.argv[1:])
    sys.path[:0] = paths
    sys.exit(host.run(Stream(), target))
