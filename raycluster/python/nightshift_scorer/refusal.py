"""What the host says to the worker when it cannot do something."""


class Refusal(Exception):
    """A load or a batch that cannot be: a short code to count by, and a sentence for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
