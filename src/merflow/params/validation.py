"""Checks of values against a model of params.yaml, with one line for a mistake."""

from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from merflow.errors import MerflowError, ParamsError

T = TypeVar("T")


def validated(model: type[T], value: Any, place: str, error: type[MerflowError] = ParamsError) -> T:
    """Parse `value` as `model`.

    Args:
        model: a model, or another type that pydantic knows, such as a list of models.
        value: plain dicts, lists and scalars.
        place: file or key where `value` stands; the message begins with it.
        error: class of the error.

    Raises:
        ParamsError: `value` does not fit; one line names the key, the mistake and what is allowed.
    """
    try:
        return TypeAdapter(model).validate_python(value)
    except ValidationError as mistake:
        raise error(f"{place}: {_explained(mistake, model)}") from mistake


def _explained(mistake: ValidationError, model: Any) -> str:
    """Return the first finding as one line: key, reason, number of further findings."""
    # A typo is reported twice: as an unknown and as a missing key. The user typed the unknown one.
    findings = sorted(mistake.errors(), key=lambda each: each["type"] != "extra_forbidden")
    first, *more = findings
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    reason = _reason(first, model)
    rest = f" (and {len(more)} more)" if more else ""
    return f"{key + ': ' if key else ''}{reason[0].lower()}{reason[1:]}{rest}"


def _reason(finding: Any, model: Any) -> str:
    kind, value = finding["type"], finding["input"]
    if kind == "extra_forbidden":
        return f"unknown key; allowed here: {_allowed(model, finding['loc'])}"
    if kind == "missing":
        return "missing"
    reason = finding["msg"].removeprefix("Value error, ")
    return reason if isinstance(value, dict | list) else f"{reason}, not {value!r}"


def _allowed(model: Any, loc: tuple[int | str, ...]) -> str:
    """Keys that the model at `loc`, a path that ends with an unknown key, has."""
    for part in loc[:-1]:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[str(part)].annotation
        elif arguments := getattr(model, "__args__", ()):  # of a dict or list: its values
            model = arguments[-1]
    if isinstance(model, type) and issubclass(model, BaseModel):
        return ", ".join(model.model_fields)
    arguments = getattr(model, "__args__", ())
    return ", ".join(getattr(arguments[0], "__args__", ("any name",))) if arguments else "none"
