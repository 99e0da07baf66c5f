"""A model is a folder of results whose run kept its weights: what it takes, and whether that can be made again here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from merflow import artifacts, paths
from merflow.errors import StoreError
from merflow.features.sources import Pictures, Sounds, Texts
from merflow.paths import PREDICTIONS, SOURCE
from merflow.progress import log
from merflow.provenance import digest, versions
from merflow.records import Record
from merflow.registry import EXTRACTORS, PAPERS
from merflow.store import read_metadata
from merflow.systems import Fusion, OffTheShelf, System

DECODER = "merflow.media.step"
Run = tuple[int, int]  # fold, seed


@dataclass(frozen=True)
class Model:
    """A system as it was trained.

    Attributes:
        folder: results/<paper>/<system>/<corpus>-<protocol>.
        record: run.json.
        row: the system as its paper defines it.
        classes: in the order of probabilities.
        members: models of the systems that it takes something of.
        checkpoints: digest -> folder of a pre-trained model at hand.
    """

    folder: Path
    record: Record
    row: System | Fusion | OffTheShelf
    classes: list[str]
    members: dict[str, "Model"]
    checkpoints: Mapping[str, Path]

    @classmethod
    def read(cls, folder: Path, checkpoints: Path, lenient: bool = False) -> "Model":
        """Read a folder of results and check that what it takes can be made of other clips.

        Args:
            folder: results/<paper>/<system>/<corpus>-<protocol>.
            checkpoints: folder of pre-trained models, data/checkpoints.
            lenient: where code or libraries are others than at training, say so and go on.

        Raises:
            StoreError: it holds no result or no weights, or an input cannot be made again; which one, and why.
        """
        try:
            record = Record.read(folder)
            row = import_module(PAPERS[record.paper]).SYSTEMS[record.system]
        except (StoreError, KeyError) as error:
            raise StoreError(
                f"{folder}: no result of a known system in it ({error}); name results/<paper>/<system>/<corpus>-<protocol>"
            ) from error
        members = {
            name: cls.read(folder.parent.parent / name / folder.name, checkpoints, lenient)
            for name in row.members
        }
        held = {
            json.loads(card.read_text(encoding="utf-8")).get("sha256"): card.parent
            for card in checkpoints.glob(f"*/{SOURCE}")
        }
        classes = read_metadata(folder / PREDICTIONS, artifacts.PREDICTIONS)["classes"]
        model = cls(folder, record, row, classes, members, held)
        model._check(lenient)
        return model

    @property
    def runs(self) -> list[Run]:
        """Folds and seeds whose weights are at hand, in all members too.

        Raises:
            StoreError: there are none.
        """
        runs = [(run.fold, run.seed) for run in self.record.runs]
        if isinstance(self.row, System):
            runs = [run for run in runs if self.weights(*run).exists()]
            if not runs:
                key = f"papers.{self.record.paper}.keep_weights"
                raise StoreError(
                    f"{self.folder}: keeps no weights; set {key}: true in params.yaml and run snakemake again"
                )
        for member in self.members.values():
            runs = [run for run in runs if run in member.runs]
        return runs

    def weights(self, fold: int, seed: int) -> Path:
        """Weights of the network of a run; what was fitted to its inputs lies beside them."""
        return paths.weights(self.folder, fold, seed)

    def checkpoint(self, card: Mapping[str, Any] | None) -> Path | None:
        """The folder of the pre-trained model with the digest of `card`, a SOURCE.json.

        Raises:
            StoreError: it is not at hand.
        """
        if card is None:
            return None
        if card["sha256"] not in self.checkpoints:
            raise StoreError(
                f"{self.folder}: needs the checkpoint {card['name']} ({card['sha256'][:12]}), which is not in data/checkpoints"
            )
        return self.checkpoints[card["sha256"]]

    @property
    def takes(self) -> set[str]:
        """What it needs of a clip in the end: of text, audio, video."""
        found = set().union(*(member.takes for member in self.members.values()))
        if isinstance(self.row, Fusion):
            return found
        found |= {"text"} if "tokens" in self.row.inputs else set()
        for spec in self.record.extraction.values():
            media = spec.get("media", {}) if "feature" in spec else {"frames": spec}
            found |= {"audio" if name == "audio" else "video" for name in media} or {"text"}
        return found

    def _check(self, lenient: bool) -> None:
        """Refuse inputs that cannot be made of clips, or not by the same code, libraries and checkpoints."""
        changed = []
        changed += _changes(
            "training",
            self.record.code,
            self.record.versions,
            ("merflow.training.run", PAPERS[self.record.paper]),
        )
        self.checkpoint(self.record.checkpoint)
        for name, spec in self.record.extraction.items():
            if "feature" in spec:
                feature = spec["feature"]
                if feature not in EXTRACTORS:
                    raise StoreError(
                        f"{self.folder}: its input {name} is the feature {feature}, which this version cannot extract"
                    )
                if import_module(EXTRACTORS[feature]).SOURCE not in (Texts, Sounds, Pictures):
                    raise StoreError(
                        f"{self.folder}: its input {name} is {feature}, made from the corpus' own files or word times, not from clips"
                    )
                self.checkpoint(spec.get("checkpoint"))
                changed += _changes(
                    feature,
                    spec["code"],
                    spec["versions"],
                    ("merflow.features.extract", EXTRACTORS[feature]),
                )
            for medium in (
                spec["media"].values() if "media" in spec else [] if "feature" in spec else [spec]
            ):
                changed += _changes("decoding", medium["code"], medium["versions"], (DECODER,))
        if changed:
            told = f"{self.folder}: since it was trained, these have changed: {', '.join(dict.fromkeys(changed))}"
            if not lenient:
                raise StoreError(
                    f"{told}; its inputs may be others: train it again, or add --despite-changes"
                )
            log.warning("%s; going on as asked", told)


def _changes(
    what: str, code: str, libraries: Mapping[str, str], roots: tuple[str, ...]
) -> list[str]:
    """What differs here from what made `what`."""
    here = versions(*libraries)
    found = [
        f"{name} {version} (now {here[name]})"
        for name, version in libraries.items()
        if here[name] != version
    ]
    return [*found, *([f"code of {what}"] if digest(*roots) != code else [])]
