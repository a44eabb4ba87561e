"""The scorer host: it lets a class that was written for Ray Data answer the batches of a nightshift worker.

Started as `python -m nightshift_scorer module:Class [--path DIR]...`. The protocol is described in docs/scorer.md. The
standard library is all it needs; numpy, orjson and pyarrow are used where they can be imported.

    stream.py   the two pipes: headers and payloads, kept away from the prints of the model
    load.py     finds the class or function and makes the scorer
    lines.py    JSON lines to rows, columns to JSON lines
    columns.py  rows to typed columns; what is wrong with single rows
    arrow.py    the same for Arrow streams; the only module that imports pyarrow, and only when a batch needs it
    refusal.py  what the host says when it cannot
    host.py     hello, ready, and one answer per batch
"""
