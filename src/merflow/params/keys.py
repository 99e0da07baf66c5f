"""Dotted keys of params.yaml, such as papers.joint_cnn.systems, looked up in its model."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from merflow.params.whole import Params


def unknown_part(key: str) -> str:
    """Fault of a dotted key, in words; empty: the model of params.yaml has it."""
    kinds: list[Any] = [Params]
    for part in key.split("."):
        below = [kind for above in kinds for kind in _below(above, part)]
        if not below:
            known = dict.fromkeys(name for kind in kinds for name in _names(kind))
            if not known:
                return f"nothing has a name of its own there, so no {part!r}"
            return f"{part!r} is none of {', '.join(known)}"
        kinds = below
    return ""


def _below(kind: Any, part: str) -> Iterator[Any]:
    """Types that a value under `part` may have."""
    for each in _alternatives(kind):
        if each is Any:
            yield Any
        elif _is_model(each):
            if part in each.model_fields:
                yield each.model_fields[part].annotation
        elif get_origin(each) is dict and _fits(part, get_args(each)[0]):
            yield get_args(each)[1]


def _names(kind: Any) -> Iterator[str]:
    """Known keys of a value of this type."""
    for each in _alternatives(kind):
        if _is_model(each):
            yield from each.model_fields
        elif get_origin(each) is dict:
            yield from map(str, get_args(get_args(each)[0]))  # of a Literal: its names


def _alternatives(kind: Any) -> Iterator[Any]:
    """Members of a union, without annotations."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif origin in (Union, UnionType):
        for each in get_args(kind):
            yield from _alternatives(each)
    else:
        yield kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _fits(part: str, kind: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(part)
    except ValidationError:
        return False
    return True
