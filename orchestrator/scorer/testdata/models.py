"""Models for the tests of the scorer host."""

import os
import time


class Identity:
    """Returns what it gets."""

    def __call__(self, batch):
        return batch


class Doubled:
    """Returns twice the amount."""

    def __init__(self, path: str = ""):
        if path:
            with open(path, "rb"):
                pass

    def __call__(self, batch):
        return {"id": batch["id"], "double": [2 * amount for amount in batch["amount"]]}


class Does:
    """Returns its rows, but for one that says what goes wrong."""

    def __call__(self, batch):
        for what in list(batch["do"]):
            if what == "raise":
                raise ValueError("amount is negative")
            if what == "fewer":
                return {"row": list(batch["row"])[1:]}
            if what == "die":
                os._exit(7)
            if what == "hang":
                time.sleep(3600)
            if what == "print":
                os.write(1, b'{"type":"result","id":1,"encoding":"jsonl","rows":0}\n')
                print('{"type":"stop"}')
        return {"row": batch["row"]}
