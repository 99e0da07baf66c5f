"""The steps ``extract`` and ``merge``: a feature store of a corpus, made in shards that do not change its bytes."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np

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
    spec: dict[str, Any],
    code: str,
    inputs: Inputs,
    shard: int,
    shards: int,
    out: Path,
) -> None:
    """Extract `feature` of the utterances of one shard.

    The store's metadata say what made it (spec: feature, params, code, versions, columns, media, checkpoint with digest) and what
    was found on the way (defects). An utterance without the modality is not in the store.

    Args:
        feature: a key of EXTRACTORS.
        spec: its block of params.yaml.
        code: digest of the code that makes it.
        inputs: of its stage: utterances, media, a checkpoint.
        shard: from 0.
        shards: number of shards.
        out: store to write.

    Raises:
        ParamsError: `spec` does not fit the extractor, or `inputs` lack its modality.
        CheckpointError: its checkpoint is not what it needs.
        StoreError: an input cannot be read, or `out` not be written.
    """
    extractor = cast(Extractor, import_module(EXTRACTORS[feature]))
    params = validated(extractor.PARAMS, spec, f"features.{feature}")
    checkpoint = inputs.checkpoint if inputs.has_checkpoint else None
    source = extractor.SOURCE.of(inputs, params)
    members = blocks(source.ids, source.block)
    mine = [members[number] for number in share(len(members), shard, shards)]
    ids = list(chain.from_iterable(mine))
    log.info(
        "%s: %d of %d utterances in shard %d of %d",
        feature,
        len(ids),
        len(source.ids),
        shard,
        shards,
    )

    defects: list[Defect] = []
    found = track(
        extractor.extract((source.read(block) for block in mine), params, checkpoint),
        f"{feature}, utterances",
        len(ids),
    )
    metadata = {
        "feature": feature,
        "params": spec,
        "code": code,
        "versions": versions(*extractor.LIBRARIES),
    }
    if names := extractor.columns(params, checkpoint):
        metadata["columns"] = names
    if media := {name: read_index(folder)["spec"] for name, folder in inputs.media.items()}:
        metadata["media"] = media
    if checkpoint:
        card = (checkpoint / SOURCE).read_text(encoding="utf-8")
        metadata["checkpoint"] = json.loads(card)
    write_features(
        out,
        _usable(zip(ids, found, strict=True), defects),
        metadata,
        lambda: _listed([*source.defects, *defects]),
    )
    kinds = Counter(defect.kind for defect in [*source.defects, *defects])
    log.info(
        "%s: defects: %s",
        feature,
        ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())) or "none",
    )


def _usable(
    rows: Iterator[tuple[str, np.ndarray | Flagged]], defects: list[Defect]
) -> Iterator[tuple[str, np.ndarray]]:
    """Rows with finite values; what is wrong with the others goes to `defects`."""
    for utterance_id, row in rows:
        if isinstance(row, Flagged):
            defects.append(Defect(utterance_id, row.kind, row.detail, row.action))
        values = row.values if isinstance(row, Flagged) else row
        if values is not None and (odd := int((~np.isfinite(values)).sum())):
            defects.append(
                Defect(
                    utterance_id, "not finite", f"{odd} of {values.size} values", "not in the store"
                )
            )
        elif values is not None:
            yield utterance_id, values


def _listed(defects: Iterable[Defect]) -> list[dict[str, Any]]:
    ordered = sorted(
        defects, key=lambda defect: (defect.utterance_id or "", defect.kind, defect.detail)
    )
    rows = [asdict(defect) for defect in ordered]
    for row in rows:
        del row["medium"]  # a feature has one
    return rows


def merge_shards(shards: list[Path], out: Path) -> None:
    """Join shards of one feature, in their order.

    Raises:
        StoreError: a shard cannot be read, or was made by other parameters, code or libraries than the first.
    """
    metadata = [read_metadata(path, artifacts.FEATURES) for path in shards]
    for path, one in zip(shards, metadata, strict=True):
        if one["spec"] != metadata[0]["spec"]:
            raise StoreError(
                f"{path}: made by other parameters, code or libraries than {shards[0]}; delete the shards and run again"
            )
    # what a source found in the corpus as a whole is in every shard
    defects = {Defect(**defect) for one in metadata for defect in one["defects"]}
    write_features(
        out,
        chain.from_iterable(map(iterate_features, shards)),
        metadata[0]["spec"],
        lambda: _listed(defects),
    )
    log.info("%s: %d defects", out, len(defects))
