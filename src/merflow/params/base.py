"""Strictness, ranges and names that all models of params.yaml share."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from merflow.registry import CORPORA

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
PositiveReal = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]

if TYPE_CHECKING:
    KnownCorpus = str
else:  # the names of the registry; a type checker wants them spelled out
    KnownCorpus = Literal[tuple(CORPORA)]
NAME = r"^[a-z][a-z0-9_]*$"
CorpusName = Annotated[str, Field(pattern=NAME)]  # a known corpus, or one of the user's own
ProtocolName = Literal["as_published", "clean"]


class Strict(BaseModel):
    """A model that refuses unknown keys and converts no types silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
