"""A scorer without the scorer host: the protocol of docs/scorer.md by hand, with the standard library alone."""

import json
import math
import sys
from typing import Any


class Model:
    """Stands for a model that takes long to load."""

    def __init__(self, middle: float = 100.0) -> None:
        self.middle = middle

    def score(self, row: dict[str, Any]) -> dict[str, Any]:
        amount = row["amount"]
        if amount < 0:
            raise ValueError(f"amount is {amount}; it must be 0 or more")
        return {"id": row["id"], "score": 1 / (1 + math.exp((self.middle - amount) / 50))}


def main() -> None:
    worker_in, worker_out = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # A print must not end up between the messages.

    def send(message: dict[str, Any], lines: list[str] | None = None) -> None:
        worker_out.write("\n".join([json.dumps(message), *(lines or []), ""]).encode())
        worker_out.flush()

    hello = json.loads(worker_in.readline())
    if 1 not in hello["protocol"]:
        send({"type": "fatal", "code": "protocol_version", "message": f"this scorer speaks 1, not {hello['protocol']}"})
        sys.exit(1)
    try:
        model = Model(**hello["parameters"])
    except Exception as error:  # noqa: BLE001 - the worker is told, whatever it is
        send({"type": "fatal", "code": type(error).__name__, "message": str(error)})
        sys.exit(1)
    send({"type": "ready", "protocol": 1, "accept": ["jsonl"], "return": "jsonl"})

    while line := worker_in.readline():
        header = json.loads(line)
        if header["type"] == "stop":
            break
        rows = worker_in.read(header["bytes"]).decode().split("\n")[: header["rows"]]
        lines: list[str] = []
        errors: list[dict[str, Any]] = []
        for number, row in enumerate(rows):
            try:
                lines.append(json.dumps(model.score(json.loads(row))))
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                lines.append("null")
                errors.append({"row": number, "code": type(error).__name__, "message": str(error)[:200]})
        send({"type": "result", "id": header["id"], "encoding": "jsonl", "rows": len(rows), "errors": errors}, lines)


if __name__ == "__main__":
    main()
