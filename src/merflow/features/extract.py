"""The steps ``extract`` and ``merge``: a feature store of a corpus, made in shards.

The number of shards does not change the bytes of the store.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import BaseModel

from merflow import artifacts
from merflow.artifacts import Defect
from merflow.errors import StoreError
from merflow.features.extractor import Extractor, Flagged
from merflow.params import validated
from merflow.paths import SOURCE, Inputs
from merflow.progress import log, track
from merflow.provenance import versions
from merflow.registry import EXTRACTORS
from merflow.shards import blocks, share
from merflow.store import iterate_features, read_index, read_metadata, write_features


def extract_shard(
    feature: str,
    params: dict[str, Any],
    code: str,
    inputs: Inputs,
    shard: int,
    shards: int,
    out: Path,
) -> None:
    """Extract `feature` of the utterances of one shard.

    The metadata of the store hold its provenance and the defects of its utterances. An utterance
    without the modality is not in the store.

    Args:
        feature: a key of EXTRACTORS.
        params: parameters of the feature in params.yaml.
        code: digest of the code that makes it.
        inputs: inputs of its stage: utterances, media, a checkpoint.
        shard: number of the shard, from 0.
        shards: number of shards.
        out: store to write.

    Raises:
        ParamsError: `params` do not fit the extractor, or `inputs` lack its modality.
        CheckpointError: the checkpoint does not fit the extractor.
        StoreError: an input cannot be read, or `out` cannot be written.
    """
    extractor = cast(Extractor, import_module(EXTRACTORS[feature]))
    model = validated(extractor.PARAMS, params, f"features.{feature}")
    checkpoint = inputs.checkpoint if inputs.has_checkpoint else None
    source = extractor.SOURCE.of(inputs, model)
    corpus_blocks = blocks(source.ids, source.block)
    shard_blocks = [corpus_blocks[number] for number in share(len(corpus_blocks), shard, shards)]
    ids = list(chain.from_iterable(shard_blocks))
    n_ids, n_all = len(ids), len(source.ids)
    log.info("%s: %d of %d utterances in shard %d of %d", feature, n_ids, n_all, shard, shards)
    results = extractor.extract(map(source.read, shard_blocks), model, checkpoint)
    results = track(results, f"{feature}, utterances", n_ids)
    defects: list[Defect] = []
    write_features(
        out,
        _usable(zip(ids, results, strict=True), defects),
        {"feature": feature, "params": params, "code": code}
        | _provenance(extractor, model, inputs, checkpoint),
        lambda: _listed([*source.defects, *defects]),
    )
    kinds = Counter(defect.kind for defect in [*source.defects, *defects])
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())) or "none"
    log.info("%s: defects: %s", feature, counts)


def _provenance(
    extractor: Extractor, model: BaseModel, inputs: Inputs, checkpoint: Path | None
) -> dict[str, Any]:
    """Describe libraries, columns, media and checkpoint, as far as the feature has them."""
    provenance: dict[str, Any] = {"versions": versions(*extractor.LIBRARIES)}
    if columns := extractor.columns(model, checkpoint):
        provenance["columns"] = columns
    if media := inputs.media:
        provenance["media"] = {name: read_index(folder)["spec"] for name, folder in media.items()}
    if checkpoint:
        card = (checkpoint / SOURCE).read_text(encoding="utf-8")
        provenance["checkpoint"] = json.loads(card)
    return provenance


def _usable(
    results: Iterator[tuple[str, np.ndarray | Flagged]], defects: list[Defect]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield finite values, and add defects of all utterances to `defects`."""
    for utterance_id, result in results:
        values: np.ndarray | None
        if isinstance(result, Flagged):
            defects.append(Defect(utterance_id, result.kind, result.detail, result.action))
            values = result.values
        else:
            values = result
        if values is None:
            continue
        if n_not_finite := int((~np.isfinite(values)).sum()):
            detail = f"{n_not_finite} of {values.size} values"
            defects.append(Defect(utterance_id, "not finite", detail, "not in the store"))
        else:
            yield utterance_id, values


def _listed(defects: Iterable[Defect]) -> list[dict[str, Any]]:
    ordered = sorted(
        defects, key=lambda defect: (defect.utterance_id or "", defect.kind, defect.detail)
    )
    rows = [asdict(defect) for defect in ordered]
    for row in rows:
        del row["medium"]  # a feature has one medium only
    return rows


def merge_shards(shards: list[Path], out: Path) -> None:
    """Join shards of one feature, in their order.

    Raises:
        StoreError: a shard cannot be read, or its provenance differs from the first one's.
    """
    metadata = [read_metadata(path, artifacts.FEATURES) for path in shards]
    provenance = metadata[0]["spec"]
    for path, shard_metadata in zip(shards, metadata, strict=True):
        if shard_metadata["spec"] != provenance:
            raise StoreError(
                f"{path}: made by other parameters, code or libraries than {shards[0]}; "
                "delete the shards and run again"
            )
    # defects of the corpus as a whole are in every shard
    defects = {
        Defect(**defect) for shard_metadata in metadata for defect in shard_metadata["defects"]
    }
    rows = chain.from_iterable(map(iterate_features, shards))
    write_features(out, rows, provenance, lambda: _listed(defects))
    log.info("%s: %d defects", out, len(defects))
