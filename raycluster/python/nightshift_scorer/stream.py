"""The two pipes to the worker."""

import json
import os
import sys
from typing import Any

MAX_HEADER = 1 << 20
MAX_PAYLOAD = 256 << 20


class ProtocolError(Exception):
    """The worker broke the protocol, so nothing that follows can be understood."""


class Stream:
    """Reads and writes messages. It takes descriptors 0 and 1 for itself: whoever reads standard input afterwards finds
    it empty, and whatever is printed goes to standard error, also by libraries written in C and by child processes."""

    def __init__(self) -> None:
        self._input = os.fdopen(os.dup(0), "rb", buffering=1 << 20)
        self._output = os.fdopen(os.dup(1), "wb", buffering=0)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.close(empty)
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    def read_header(self) -> dict[str, Any] | None:
        """The next header, or None at the end of the input."""
        line = self._input.readline(MAX_HEADER)
        if not line:
            return None
        if not line.endswith(b"\n"):
            raise ProtocolError(f"a header line of {len(line)} bytes does not end")
        try:
            header = json.loads(line)
        except ValueError as error:
            raise ProtocolError(f"a header line is not JSON: {error}") from error
        if not isinstance(header, dict):
            raise ProtocolError("a header line is not a JSON object")
        return header

    def read_payload(self, size: Any) -> bytes:
        """Exactly so many bytes."""
        if not isinstance(size, int) or not 0 <= size <= MAX_PAYLOAD:
            raise ProtocolError(f"a payload of {size} bytes; allowed are 0 to {MAX_PAYLOAD}")
        payload = self._input.read(size)
        if len(payload) != size:
            raise ProtocolError(f"the input ended after {len(payload)} of {size} payload bytes")
        return payload

    def write(self, header: dict[str, Any], *payloads: bytes) -> None:
        """One message."""
        line = json.dumps(header, separators=(",", ":")).encode() + b"\n"
        for part in (line, *payloads):
            view = memoryview(part)
            while view:
                view = view[self._output.write(view) :]
