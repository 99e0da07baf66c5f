"""Check that inputs of trained systems can be made of clips as for training."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from merflow.errors import StoreError
from merflow.features.sources import AudioSource, FrameSource, TextSource
from merflow.predict.models import Model
from merflow.progress import log
from merflow.provenance import digest, versions
from merflow.records import Decoding, Extraction, Record
from merflow.registry import EXTRACTORS, PAPERS
from merflow.systems import Linear
from merflow.training.inputs import TOKENS

#: Sources of features that clips have; others read files of a corpus, or times of words.
CLIP_SOURCES = (TextSource, AudioSource, FrameSource)
#: Modules where the code of a step begins, as `meta: code` of dvc.yaml names them.
TRAIN, EXTRACT, DECODE = "merflow.training.run", "merflow.features.extract", "merflow.media.step"


def check(
    models: Sequence[Model], checkpoints: Mapping[str, Path], despite_changes: bool = False
) -> None:
    """Refuse models whose inputs cannot be made of clips as for training.

    Args:
        models: of the prediction.
        checkpoints: folder of each pre-trained model, by digest.
        despite_changes: go on with a warning if only code or libraries have changed.

    Raises:
        StoreError: a model is a linear classifier, or an input is not made of clips. A checkpoint
            or all weights are missing. Code or libraries have changed.
    """
    for model in models:
        _refuse_linear(model)
        _refuse_inputs(model)
        _refuse_checkpoints(model, checkpoints)
    _refuse_without_weights(models)
    for model in models:
        if changes := list(dict.fromkeys(_changes(model))):
            message = f"{model.folder}: changed since training: {', '.join(changes)}"
            if not despite_changes:
                raise StoreError(
                    f"{message}; its inputs may differ: train it again, or add --despite-changes"
                )
            log.warning("%s; going on because of --despite-changes", message)


def _refuse_linear(model: Model) -> None:
    if isinstance(model.system, Linear):
        raise StoreError(
            f"{model.folder}: a linear classifier keeps no weights, because it is here to compare"
            " networks with; choose another system"
        )


def _refuse_inputs(model: Model) -> None:
    """Refuse an input that cannot be made of clips.

    Raises:
        StoreError: its provenance is missing, or it needs more than a clip and its text.
    """
    for name in model.inputs:
        if name != TOKENS and name not in model.record.extraction:
            raise StoreError(
                f"{model.folder}: run.json has no provenance of input {name}; train it again"
            )
    for extraction in model.extractions:
        feature = extraction.feature
        if feature not in EXTRACTORS:
            raise StoreError(
                f"{model.folder}: feature {feature} is unknown to this version; train it again"
            )
        if import_module(EXTRACTORS[feature]).SOURCE not in CLIP_SOURCES:
            raise StoreError(
                f"{model.folder}: feature {feature} is made from files of the corpus or times of"
                " words, which clips lack; choose another system"
            )


def _refuse_checkpoints(model: Model, checkpoints: Mapping[str, Path]) -> None:
    """Refuse a model if the checkpoint of its network or of a feature is missing.

    Raises:
        StoreError: the checkpoint is missing; names it.
    """
    cards = [model.record.checkpoint, *(extraction.checkpoint for extraction in model.extractions)]
    for card in cards:
        if card and card["sha256"] not in checkpoints:
            raise StoreError(
                f"{model.folder}: checkpoint {card['name']} ({card['sha256'][:12]}) is missing;"
                " run snakemake, or give the folder of checkpoints with --checkpoints"
            )


def _refuse_without_weights(models: Sequence[Model]) -> None:
    """Refuse models of which a network has no weights.

    Raises:
        StoreError: names all of these networks, so that one more run trains them.
    """
    lacking = ", ".join(model.name for model in models if not model.runs)
    if lacking:
        target = models[-1]
        raise StoreError(
            f"{target.folder}: no weights of {lacking} were kept;"
            f" set papers.{target.record.paper}.keep_weights: [{lacking}] in params.yaml and run"
            " snakemake again (if the weights were deleted by hand, delete the whole folder first)"
        )


def _changes(model: Model) -> list[str]:
    """List libraries and code that differ from training, extraction and decoding."""
    record = model.record
    changes = _differences("training", record, TRAIN, PAPERS[record.paper])
    for extraction in model.extractions:
        feature = extraction.feature
        changes += _differences(feature, extraction, EXTRACT, EXTRACTORS[feature])
    for decoding in model.decodings:
        changes += _differences("decoding", decoding, DECODE)
    return changes


def _differences(name: str, provenance: Record | Extraction | Decoding, *roots: str) -> list[str]:
    """List libraries and code that differ from what `provenance` records.

    Args:
        name: of the code in messages.
        provenance: with code and versions.
        roots: modules where the code begins.
    """
    installed = versions(*provenance.versions)
    differences = [
        f"{library} {version} (now {installed[library]})"
        for library, version in provenance.versions.items()
        if installed[library] != version
    ]
    return [*differences, *([f"code of {name}"] if digest(*roots) != provenance.code else [])]
