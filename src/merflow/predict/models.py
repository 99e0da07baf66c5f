"""Trained systems with their records, and their runs that can be repeated."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from importlib import import_module
from pathlib import Path

from merflow import artifacts, paths
from merflow.corpora.schemes import multi_label
from merflow.errors import StoreError
from merflow.records import Decoding, Extraction, Record
from merflow.registry import PAPERS
from merflow.store import read_metadata
from merflow.systems import AnySystem, Fusion, System
from merflow.training.inputs import TOKENS


@dataclass(frozen=True)
class RunKey:
    """Fold and seed of a run."""

    fold: int
    seed: int

    def __str__(self) -> str:
        return f"{self.fold}-{self.seed}"


@dataclass(frozen=True)
class Model:
    """A system as it was trained.

    Attributes:
        folder: results/<paper>/<system>/<corpus>-<protocol>.
        record: its run.json.
        system: definition in its paper.
        classes: names, in the order of probabilities.
    """

    folder: Path
    record: Record
    system: AnySystem
    classes: list[str]

    @property
    def name(self) -> str:
        """Name of the system."""
        return self.record.system

    @property
    def multi_label(self) -> bool:
        """True if each class is predicted on its own."""
        return multi_label(self.record.corpus, self.record.scheme)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Inputs that are made of clips; hidden activations of members are not."""
        return () if isinstance(self.system, Fusion) else self.system.inputs

    @property
    def extractions(self) -> list[Extraction]:
        """Provenance of the inputs that are features."""
        inputs = self.record.extraction.values()
        return [provenance for provenance in inputs if isinstance(provenance, Extraction)]

    @property
    def decodings(self) -> list[Decoding]:
        """Provenance of the media behind features, and of the inputs that are media."""
        inputs = self.record.extraction.values()
        decodings = [provenance for provenance in inputs if isinstance(provenance, Decoding)]
        for extraction in self.extractions:
            decodings += (extraction.media or {}).values()
        return decodings

    @property
    def modalities(self) -> set[str]:
        """Modalities of a clip that the inputs need: text, audio, video."""
        modalities = {"text"} if TOKENS in self.inputs else set()
        return modalities.union(
            *(_modalities(*extraction) for extraction in self.record.extraction.items())
        )

    @property
    def runs(self) -> list[RunKey]:
        """Runs that can be repeated; a network needs its weights."""
        runs = [RunKey(run.fold, run.seed) for run in self.record.runs]
        if not isinstance(self.system, System):
            return runs
        files = [paths.weights, *([paths.transformers] if self.system.transformers else [])]
        return [
            run for run in runs if all(file(self.folder, *astuple(run)).exists() for file in files)
        ]


def _modalities(name: str, provenance: Extraction | Decoding) -> set[str]:
    """Modalities of a clip behind an input: a feature, or a medium itself."""
    media: Iterable[str | None] = [paths.medium_of(name)]
    if isinstance(provenance, Extraction):
        media = provenance.media or {}
    return {"audio" if medium == paths.AUDIO else "video" for medium in media} or {"text"}


def read_models(folder: Path) -> list[Model]:
    """Read a system and its members, members first, each once.

    Raises:
        StoreError: a folder holds no result of a known system.
    """
    target = _read_model(folder)
    models: dict[str, Model] = {}
    for member in target.system.members:
        for model in read_models(folder.parent.parent / member / folder.name):
            models[model.name] = model
    return [*models.values(), target]


def _read_model(folder: Path) -> Model:
    advice = f"{paths.RESULT.replace('{', '<').replace('}', '>')}; `merflow predict` lists all"
    if not (folder / paths.RECORD).exists():  # maybe a folder of the user's own
        raise StoreError(f"{folder}: no result of a system; expected {advice}")
    try:
        record = Record.read(folder)
        system = import_module(PAPERS[record.paper]).SYSTEMS[record.system]
    except (StoreError, KeyError) as error:
        raise StoreError(
            f"{folder}: no result of a known system ({error}); expected {advice}"
        ) from error
    metadata = read_metadata(folder / paths.PREDICTIONS, artifacts.PREDICTIONS)
    return Model(folder, record, system, metadata["classes"])


def select_runs(models: Sequence[Model], fold: int | None, seed: int | None) -> list[RunKey]:
    """Select runs that all models can repeat, in the order of the last one.

    Args:
        models: members first.
        fold, seed: of the runs; None: all.

    Raises:
        StoreError: there are none.
    """
    of_models = [model.runs for model in models]
    runs = [run for run in of_models[-1] if all(run in of_model for of_model in of_models)]
    selected = [run for run in runs if fold in (None, run.fold) and seed in (None, run.seed)]
    if not selected:
        wanted = {"fold": fold, "seed": seed}
        names = [f"{name} {number}" for name, number in wanted.items() if number is not None]
        with_names = f" with {', '.join(names)}" if names else ""
        raise StoreError(
            f"{models[-1].folder}: no run{with_names} has all weights;"
            f" expected one of {', '.join(map(str, runs)) or 'none'} (fold-seed)"
        )
    return selected


def read_checkpoints(folder: Path) -> dict[str, Path]:
    """Find the pre-trained models in data/checkpoints by the digest in their SOURCE.json."""
    cards = sorted(folder.glob(f"*/{paths.SOURCE}"))
    return {json.loads(card.read_text(encoding="utf-8"))["sha256"]: card.parent for card in cards}
