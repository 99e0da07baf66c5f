"""What an extractor module of EXTRACTORS offers, and what it may say about an utterance."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from pydantic import BaseModel

from merflow.artifacts import Defect
from merflow.paths import Inputs

SHORTEST_S = 0.1  # shorter sound is followed by silence up to here: openSMILE gives NaN and wav2vec2 nothing below 25 ms


@dataclass(frozen=True)
class Flagged:
    """An utterance with a defect; `values` None: there is nothing to store."""

    values: np.ndarray | None
    kind: str
    detail: str
    action: str


class Source(Protocol):
    """Items of a feature, read from the files of its stage.

    Attributes:
        block: utterances that are read together.
        ids: utterances that have what the feature takes.
        defects: what was mended on the way.
    """

    block: int
    ids: list[str]
    defects: list[Defect]

    @classmethod
    def of(cls, inputs: Inputs, params: Any) -> Self:
        """Make the source of a stage's inputs.

        Raises:
            ParamsError: the stage lacks an input.
            StoreError: a file cannot be read.
        """
        ...

    def read(self, ids: Sequence[str]) -> list[Any]:
        """Items of these utterances, in this order."""
        ...


class Extractor(Protocol):
    """The names that every module of ``merflow.registry.EXTRACTORS`` defines (tests/test_contracts.py)."""

    SOURCE: type[
        Source
    ]  #: what its items are: merflow.features.sources.{Texts, Sounds, Pictures}, or its own
    PARAMS: type[BaseModel]  #: model of its block in params.yaml
    LIBRARIES: tuple[str, ...]  #: distributions whose versions are stored beside the values
    USES_GPU: bool  #: True or False as a literal: the workflow reads it without an import

    def extract(
        self, blocks: Iterable[Sequence[Any]], params: Any, checkpoint: Path | None
    ) -> Iterator[np.ndarray | Flagged]:
        """One (n_frames, dim) array per item, n_frames >= 1, in the order of the items.

        Args:
            blocks: items that may be computed together; the values of an item depend on nothing outside its block.
            params: the feature's block of params.yaml.
            checkpoint: folder of its pre-trained model or word vectors, in data/checkpoints/; None: it needs none.

        Raises:
            CheckpointError: the checkpoint is not what the extractor needs.
        """
        ...

    def columns(self, params: Any, checkpoint: Path | None) -> list[str] | None:
        """Names of the dim columns, where they have some."""
        ...
