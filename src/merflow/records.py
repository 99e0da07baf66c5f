"""Run records: ``run.json``, which training writes and every later step reads."""

from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from pydantic import Field

from merflow.documents import Document, read_document
from merflow.errors import StoreError
from merflow.paths import RECORD, RESULT
from merflow.store import write_json

VERSION: Final = 1


class Epoch(Document):
    """Losses and scores of one epoch of training.

    Attributes:
        epoch: number, from 1.
        train_loss: mean of everything that is minimised, taken while the epoch trained.
        losses, scores: on the validation split after the epoch, one per component: the classes of
            a bank, or the whole network. Empty without a validation split.
    """

    epoch: int
    train_loss: float
    losses: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()

    @property
    def loss(self) -> float | None:
        """Mean loss over the components."""
        return float(np.mean(self.losses)) if self.losses else None

    @property
    def score(self) -> float | None:
        """Mean score over the components."""
        return float(np.mean(self.scores)) if self.scores else None


class Run(Document):
    """One fold with one seed.

    Attributes:
        fold: number, from 0.
        seed: of everything random.
        selected_epochs: epoch that is scored, of each component; empty: nothing was trained.
        history: all epochs.
        weights: fusion weight of each member.
        temperatures: calibration temperature of each member.
        class_factors: factor of each class' probability under a prior correction.
        strengths: chosen regularisation of a linear classifier, of each component; empty: none.
        strengths_chosen_on: split on which they were chosen; train: by cross-validation in it.
        label_doubt: sentence about suspicious label mappings of an off-the-shelf head.
        device: name of the GPU, or ``cpu``.
        precision: number format of the computation.
        wall_s: seconds of training, or of computing a fusion.
        clip_s: seconds in which the network computes for a clip.
        tokens: mean number of tokens of a frame in each later stage of a compressing network.
    """

    fold: int
    seed: int
    selected_epochs: tuple[int, ...] = ()
    history: tuple[Epoch, ...] = ()
    weights: dict[str, float] | None = None
    temperatures: dict[str, float] | None = None
    class_factors: dict[str, float] | None = None
    strengths: tuple[float, ...] = ()
    strengths_chosen_on: Literal["dev", "train"] | None = None
    label_doubt: str | None = None
    device: str
    precision: Literal["fp32", "bf16", "fp64"]
    wall_s: float
    clip_s: float | None = None
    tokens: tuple[float, ...] | None = None


class Decoding(Document):
    """Provenance of decoded media.

    Attributes:
        params: block ``media`` of params.yaml.
        code: digest of the code that decoded.
        versions: libraries with their versions.
    """

    params: dict[str, Any]
    code: str
    versions: dict[str, str]


class Extraction(Document):
    """Provenance of a feature.

    Attributes:
        feature: key of EXTRACTORS.
        params: block of the feature in params.yaml.
        code: digest of the code that extracted it.
        versions: libraries with their versions.
        media: medium -> its decoding; None: the feature is made from text.
        checkpoint: card (SOURCE.json) of the pre-trained model; None: there is none.
    """

    feature: str
    params: dict[str, Any]
    code: str
    versions: dict[str, str]
    media: dict[str, Decoding] | None = None
    checkpoint: dict[str, Any] | None = None


class Record(Document):
    """Runs of a system on a corpus under a protocol, and everything that they share.

    Attributes:
        version: of this format.
        paper, system, corpus, protocol: names.
        source: origin of the corpus: demo, official or folder.
        scheme: split scheme.
        select: epoch that is scored: the last one, or the best one on the dev or test split.
        selection_metric: metric in the scores of the history; None: nothing was trained.
        params: the system's block of params.yaml.
        code: digest of the code that ran.
        versions: libraries with their versions.
        class_of: label -> class.
        input_labels: input -> feature and pre-trained model behind it, for tables.
        extraction: input -> provenance of the feature, or of the frames, with which it can be made
            of other clips.
        checkpoint: card of the pre-trained model that the system starts from.
        left_out: input -> ids of the utterances that lack it.
        cut: input -> number of utterances that were longer than allowed and were cut.
        cut_share: input -> share of the frames of all utterances that was cut off.
        attention: names of what the attention column of the predictions weighs.
        runs: by fold, then seed.
    """

    version: Literal[1] = VERSION
    paper: str
    system: str
    corpus: str
    protocol: str
    source: str
    scheme: str
    select: Literal["last", "dev", "test"]
    selection_metric: str | None = None
    params: dict[str, Any]
    code: str
    versions: dict[str, str]
    class_of: dict[str, str]
    input_labels: dict[str, str]
    extraction: dict[str, Extraction | Decoding] = Field(default_factory=dict)
    checkpoint: dict[str, Any] | None = None
    left_out: dict[str, tuple[str, ...]]
    cut: dict[str, int] = Field(default_factory=dict)
    cut_share: dict[str, float] = Field(default_factory=dict)
    attention: tuple[str, ...] = ()
    runs: tuple[Run, ...]

    @property
    def name(self) -> str:
        """Path of the results below the project's folder."""
        names = {name: getattr(self, name) for name in ("paper", "system", "corpus", "protocol")}
        return RESULT.format(**names)

    @property
    def validation(self) -> str:
        """Split on which the history was measured."""
        return "test" if self.select == "test" else "dev"

    @property
    def missing_inputs(self) -> frozenset[str]:
        """Ids of the utterances that lack an input of the system."""
        return frozenset().union(*self.left_out.values())

    def run(self, fold: int, seed: int) -> Run:
        """The run of a fold and a seed, which must be there."""
        return next(run for run in self.runs if (run.fold, run.seed) == (fold, seed))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the record in a folder of results, or of one run.

        Raises:
            StoreError: the file is absent, unreadable, of another version, or names no run.
        """
        path = folder / RECORD
        advice = f"delete {folder} and train again (format {VERSION} expected)"
        record = read_document(path, cls, advice)
        if not record.runs:
            raise StoreError(f"{path}: names no run; delete {folder} and train again")
        return record

    def write(self, folder: Path) -> None:
        """Write run.json into `folder`, whole or not at all."""
        content = self.model_dump(mode="json", exclude_none=True)
        write_json(folder / RECORD, content)
