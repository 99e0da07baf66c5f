"""Contract of the extractor modules that merflow.registry.EXTRACTORS lists."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from pydantic import BaseModel

from merflow.artifacts import Defect
from merflow.paths import Inputs

#: Shorter audio is padded with silence: openSMILE gives NaN, and wav2vec2 no frame below 25 ms.
SHORTEST_S = 0.1


@dataclass(frozen=True)
class Flagged:
    """Values of an utterance with a defect.

    Attributes:
        values: (n_frames, dim); None if the utterance has nothing to store.
        kind: kind of the defect, as in merflow.artifacts.Defect.
        detail: values of the defect in this utterance.
        action: treatment of the utterance.
    """

    values: np.ndarray | None
    kind: str
    detail: str
    action: str


class ItemSource(Protocol):
    """Reader of the items of a feature, one item per utterance.

    Attributes:
        block: number of utterances that are read together.
        ids: utterances that have the modality of the feature.
        defects: faults that reading repaired.
    """

    block: int
    ids: list[str]
    defects: list[Defect]

    @classmethod
    def of(cls, inputs: Inputs, params: Any) -> Self:
        """Open the source among the inputs of a stage.

        Raises:
            ParamsError: the stage lacks an input of the feature.
            StoreError: a file cannot be read.
        """
        ...

    def read(self, ids: Sequence[str]) -> list[Any]:
        """Read the items of these utterances, in this order."""
        ...


class Extractor(Protocol):
    """Names that every extractor module defines (tests/test_contracts.py).

    Attributes:
        SOURCE: reader of its items, of merflow.features.sources or its own.
        PARAMS: model of its parameters in params.yaml.
        LIBRARIES: distributions whose versions are stored beside the values.
        USES_GPU: True or False as a literal, which the workflow reads without an import.
    """

    SOURCE: type[ItemSource]
    PARAMS: type[BaseModel]
    LIBRARIES: tuple[str, ...]
    USES_GPU: bool

    def extract(
        self, blocks: Iterable[Sequence[Any]], params: Any, checkpoint: Path | None
    ) -> Iterator[np.ndarray | Flagged]:
        """Yield one array (n_frames, dim) per item, in their order; n_frames >= 1.

        Args:
            blocks: items that may be computed together. The values of an item must not depend on
                other blocks.
            params: parameters of the feature in params.yaml.
            checkpoint: folder of the pre-trained model or word vectors in data/checkpoints/;
                None if the feature needs none.

        Raises:
            CheckpointError: the checkpoint does not fit the extractor.
        """
        ...

    def columns(self, params: Any, checkpoint: Path | None) -> list[str] | None:
        """Name the dim columns; None if they have no names."""
        ...
