"""Finds what the user named and makes the scorer of it."""

import functools
import importlib
from collections.abc import Callable
from typing import Any

from nightshift_scorer.refusal import Refusal


def load(target: str, parameters: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
    """The scorer named by "module:Class" or "module:function". A class is made with the parameters; a function gets
    them with every call."""
    module_name, colon, name = target.partition(":")
    if not colon or not module_name or not name:
        raise Refusal("bad_target", f"{target!r} is not module:Class")
    found: Any = importlib.import_module(module_name)
    for part in name.split("."):
        if not hasattr(found, part):
            raise Refusal("no_such_class", f"{module_name} has no {name}{_suggest(found, part)}")
        found = getattr(found, part)
    if not isinstance(found, type):
        if not callable(found):
            raise Refusal("not_callable", f"{target} is a {type(found).__name__}, not a class or a function")
        return functools.partial(found, **parameters) if parameters else found
    if not any("__call__" in vars(owner) for owner in found.__mro__):
        raise Refusal("not_callable", f"{target} has no method __call__(self, batch)")
    return found(**parameters)


def _suggest(owner: Any, name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, [known for known in vars(owner) if not known.startswith("_")], 1)
    return f"; was {near[0]} meant?" if near else ""
