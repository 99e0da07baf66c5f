"""Inputs of models, made of clips as records say: media and features, each once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from merflow import artifacts, paths
from merflow.features.extract import extract_shard
from merflow.media.step import assemble, decode_shard
from merflow.params import SystemParams
from merflow.paths import Inputs
from merflow.predict.clips import Clips
from merflow.predict.models import Model
from merflow.provenance import digest_of_values
from merflow.records import Decoding, Extraction
from merflow.store import read_metadata
from merflow.systems import Fusion, OffTheShelf
from merflow.training.inputs import Arrays, arrays_of

Media = Mapping[str, Path]  # digest of decoding parameters -> folder of all media
Stores = Mapping[str, Mapping[str, Path]]  # system -> input -> its store, or folder of its medium


@dataclass(frozen=True)
class ModelInputs:
    """Inputs of a model, for all clips.

    Attributes:
        utterances: columns of artifacts.UTTERANCES.
        arrays: input -> utterance -> array, see `merflow.training.inputs.arrays_of`.
        columns: names that an off-the-shelf head gives its classes; a network has none.
        checkpoint: folder of the pre-trained model that the system starts from.
    """

    utterances: pd.DataFrame
    arrays: dict[str, Arrays]
    columns: list[str]
    checkpoint: Path | None


def decode(models: Sequence[Model], clips: Clips) -> Media:
    """Decode the clips, once for each set of parameters that the records name."""
    media = {}
    for decoding in [decoding for model in models for decoding in model.decodings]:
        key = _medium_key(decoding)
        if key not in media:
            media[key] = clips.folder / "media" / key
            shard = media[key] / "shard" / paths.DECODED
            decode_shard(clips.table, clips.raw, decoding.params, decoding.code, 0, 1, shard)
            assemble([shard.parent], media[key])
    return media


def _medium_key(decoding: Decoding) -> str:
    return digest_of_values(decoding.params)


def read_defects(media: Media) -> dict[str, str]:
    """Read the first defect that decoding found in each utterance, losses before others."""
    defects: dict[str, str] = {}
    for folder in media.values():
        rows = pd.read_csv(folder / paths.DEFECTS)
        kept = ~rows["action"].str.startswith("left out")
        for row in rows.loc[kept.sort_values(kind="stable").index].itertuples():
            defects.setdefault(row.utterance_id, f"{row.kind}: {row.detail}")
    return defects


def extract(
    models: Sequence[Model], clips: Clips, media: Media, checkpoints: Mapping[str, Path]
) -> Stores:
    """Extract each distinct feature once.

    Args:
        models: say which features, by which parameters.
        clips: to extract them from.
        media: decoded clips.
        checkpoints: folder of each pre-trained model, by digest.

    Raises:
        CheckpointError, ParamsError: a feature cannot be extracted.
    """
    stores: dict[str, dict[str, Path]] = {}
    for model in models:
        stores[model.name] = {}
        for name, provenance in model.record.extraction.items():
            if isinstance(provenance, Decoding):
                store = media[_medium_key(provenance)] / (paths.medium_of(name) or name)
            else:
                store = _extract_feature(provenance, clips, media, checkpoints)
            stores[model.name][name] = store
    return stores


def _extract_feature(
    extraction: Extraction, clips: Clips, media: Media, checkpoints: Mapping[str, Path]
) -> Path:
    """Extract a feature, unless another input has it too; returns its store."""
    key = digest_of_values(extraction.model_dump())
    store = clips.folder / "features" / key / f"{extraction.feature}.parquet"
    if not store.exists():
        files = [clips.table]
        for medium, decoding in (extraction.media or {}).items():
            files.append(media[_medium_key(decoding)] / medium / paths.INDEX)
        if extraction.checkpoint:
            files.append(checkpoints[extraction.checkpoint["sha256"]] / paths.SOURCE)
        extract_shard(
            extraction.feature, extraction.params, extraction.code, Inputs.of(files), 0, 1, store
        )
    return store


def read(
    models: Sequence[Model], clips: Clips, stores: Stores, checkpoints: Mapping[str, Path]
) -> dict[str, ModelInputs]:
    """Read the inputs of each model that has any, by system."""
    inputs = {}
    for model in models:
        system, record = model.system, model.record
        if isinstance(system, Fusion):
            continue
        own_stores, columns, input_params = stores[model.name], [], {}
        if isinstance(system, OffTheShelf):
            metadata = read_metadata(own_stores[system.inputs[0]], artifacts.FEATURES)
            columns = metadata["spec"]["columns"]
        else:
            input_params = SystemParams.model_validate(record.params).inputs
        checkpoint = checkpoints[record.checkpoint["sha256"]] if record.checkpoint else None
        arrays, _ = arrays_of(
            clips.utterances, clips.ids, system, input_params, own_stores, checkpoint
        )
        inputs[model.name] = ModelInputs(clips.utterances, arrays, columns, checkpoint)
    return inputs
