"""The steps ``extract`` and ``merge``: a feature store of a corpus, made in shards that do not change its bytes.

An extractor is a module of EXTRACTORS with::

    MODALITY   "text": what of an utterance it takes
    PARAMS     the model of its block in params.yaml
    LIBRARIES  distributions whose versions are stored beside the values
    extract(items, params) -> Iterator[np.ndarray]   one (n_frames, dim) per item, in the order of the items

Which items a call computes together may change the last bits of a float. So utterances are cut into blocks that
depend on the corpus alone, one call each; shards share out blocks.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from merflow import artifacts
from merflow.errors import ParamsError, StoreError
from merflow.features import EXTRACTORS
from merflow.params import explain
from merflow.progress import log, track
from merflow.provenance import versions
from merflow.store import read_features, read_metadata, read_table, write_features

BLOCK = 256  # utterances


def extract_shard(feature: str, spec: dict[str, Any], code: str, utterances: Path, shard: int, shards: int, out: Path) -> None:
    """Extract `feature` of every `shards`-th block of utterances, beginning with block `shard`.

    An utterance without the modality is not in the store; the log counts these.

    Args:
        feature: a key of EXTRACTORS.
        spec: its block of params.yaml.
        code: digest of the code that makes it.
        utterances: utterances.parquet of a corpus.
        shard: from 0.
        shards: number of shards.
        out: store to write.

    Raises:
        ParamsError: `spec` does not fit the extractor.
        CheckpointError: its checkpoint is not at hand.
        StoreError: `utterances` cannot be read, or `out` not be written.
    """
    extractor = import_module(EXTRACTORS[feature])
    try:
        params = extractor.PARAMS.model_validate(spec)
    except ValidationError as error:
        raise ParamsError(explain(error, f"features.{feature}")) from error
    items = _items(read_table(utterances, artifacts.UTTERANCES), extractor.MODALITY)
    blocks = [items.iloc[start : start + BLOCK] for start in range(0, len(items), BLOCK)][shard::shards]
    mine = sum(map(len, blocks))
    log.info("%s: %d of %d utterances in shard %d of %d", feature, mine, len(items), shard, shards)
    arrays = (row for block in blocks for row in zip(block.index, extractor.extract(block.tolist(), params), strict=True))
    metadata = {"feature": feature, "params": spec, "code": code, "versions": versions(*extractor.LIBRARIES)}
    if "checkpoint" in spec:
        metadata["checkpoint"] = params.checkpoint.name
    write_features(out, track(arrays, f"{feature}, utterances", mine), metadata)


def merge_shards(shards: list[Path], out: Path) -> None:
    """Join shards of one feature.

    Raises:
        StoreError: a shard cannot be read, or was made by other parameters, code or libraries than the first.
    """
    specs = [read_metadata(path, artifacts.FEATURES)["spec"] for path in shards]
    for path, spec in zip(shards, specs, strict=True):
        if spec != specs[0]:
            raise StoreError(f"{path}: made by other parameters, code or libraries than {shards[0]}; delete the shards and run again")
    arrays = [row for path in shards for row in read_features(path).items()]
    write_features(out, arrays, specs[0])
    log.info("%s: %d utterances", out, len(arrays))


def _items(utterances: pd.DataFrame, modality: str) -> pd.Series:
    """What the extractor takes of each utterance, by id; like sizes side by side, so that a block needs little padding."""
    items = utterances.set_index("utterance_id")[modality]
    if absent := int(items.isna().sum()):
        log.info("%d of %d utterances have no %s and are not in the store", absent, len(items), modality)
    items = items.dropna().sort_index()
    return items.loc[items.str.len().sort_values(kind="stable").index]
