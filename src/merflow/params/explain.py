"""A mistake in params.yaml as one line."""

import re
from typing import Any

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, where: str, root: type[BaseModel] | None = None) -> str:
    """The first finding of pydantic as one line: the key, what is wrong, what is allowed; then how many more.

    `root`: the model that was validated, to say which keys it knows.
    """
    # an unknown key first: a typo is reported as unknown and as missing, and the first of these is what the user typed
    first, *more = sorted(error.errors(), key=lambda finding: finding["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = (
            f"unknown key; allowed here: {_allowed(root, first['loc'])}" if root else "unknown key"
        )
    elif first["type"] == "missing":
        message = "missing"
    elif (
        first["type"] == "float_type"
        and isinstance(first["input"], str)
        and re.fullmatch(r"\d+e-?\d+", first["input"])
    ):
        message = (
            f"here YAML reads {first['input']} as text; write {first['input'].replace('e', '.0e')}"
        )
    elif "input" in first and not isinstance(first["input"], dict | list):
        message += f", not {first['input']!r}"
    rest = f" (and {len(more)} more)" if more else ""
    return f"{where}: {key + ': ' if key else ''}{message[0].lower()}{message[1:]}{rest}"


def _allowed(root: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    model: Any = root
    for part in loc[:-1]:
        annotation = (
            model.model_fields[str(part)].annotation
            if isinstance(model, type) and issubclass(model, BaseModel)
            else model
        )
        arguments = getattr(annotation, "__args__", ())
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = annotation
        elif arguments:
            model = arguments[-1]
    if isinstance(model, type) and issubclass(model, BaseModel):
        return ", ".join(model.model_fields)
    arguments = getattr(model, "__args__", ())
    return ", ".join(getattr(arguments[0], "__args__", ("any name",))) if arguments else "none"
