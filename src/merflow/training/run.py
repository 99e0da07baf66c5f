"""The steps ``train`` (one system, one fold, one seed) and ``gather`` (all of a system's runs in one place)."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import PartialState
from pydantic import ValidationError
from safetensors.torch import save_file

from merflow import artifacts
from merflow.corpora.labels import CLASSES, MULTI_LABEL
from merflow.errors import CheckpointError, CorpusError, ParamsError, StoreError
from merflow.features.text.tokens import Tokenizer
from merflow.papers import PAPERS
from merflow.params import FineTuning, Protocol, explain
from merflow.progress import log
from merflow.provenance import versions
from merflow.store import link, read_metadata, read_table, whole, write_json, write_table
from merflow.training.batches import Examples, System
from merflow.training.loop import Fitted, fit, predict

LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate", "scikit-learn")
PER_RUN = ("fold", "seed", "selected_epoch", "history", "device", "precision", "wall_s")  # keys of a run; the others are shared


def train(
    paper: str,
    system: str,
    corpus: str,
    protocol: str,
    settings: dict[str, Any],
    protocol_settings: dict[str, Any],
    precision: str,
    keep_weights: bool,
    code: str,
    prepared: Path,
    checkpoint: Path | None,
    fold: int,
    seed: int,
    out: Path,
    scratch: Path,
) -> None:
    """Train `system` on the train part of a fold, predict its dev and test parts.

    Writes run.json, weights/<fold>-<seed>.safetensors if asked for, and last, as the sign that all is there,
    predictions.parquet (metadata: classes) to `out`.

    Args:
        paper: a key of PAPERS.
        system: a key of the paper's SYSTEMS.
        corpus: name of the corpus, for its classes.
        protocol: name of the protocol.
        settings: block of the system in params.yaml.
        protocol_settings: block of the protocol in params.yaml.
        precision: fp32 or bf16.
        keep_weights: store the selected weights.
        code: digest of the code that runs.
        prepared: folder with utterances.parquet and splits.parquet.
        checkpoint: folder in data/checkpoints/ of the pre-trained model that the system starts from.
        fold: from 0.
        seed: of this run.
        out: folder to write to.
        scratch: folder of the resumable state; a run that was killed goes on from there.

    Raises:
        ParamsError: an unknown system or a setting that cannot be; the training diverged.
        CorpusError: a part of the fold has no utterance, or a label is no class of the corpus.
        CheckpointError: the checkpoint is not at hand.
    """
    row = _system(paper, system)
    try:
        tuning, how = FineTuning.model_validate(settings), Protocol.model_validate(protocol_settings)
    except ValidationError as error:
        raise ParamsError(explain(error, f"papers.{paper}, {system}, {protocol}")) from error
    if corpus in MULTI_LABEL:
        raise ParamsError(
            f"{corpus}: its utterances carry several labels, {paper} tells single ones apart; take it out of run.{paper}.corpora"
        )
    classes = CLASSES[corpus]
    card = _card(checkpoint)
    assert checkpoint is not None  # _card has looked
    parts = _parts(prepared, how.scheme, fold, row)

    state_path = scratch / f"state-{_fingerprint([system, card, settings, protocol_settings, precision, code, fold, seed], parts)}.pt"
    to_examples = partial(_examples, system=row, classes=classes, tokenizer=Tokenizer(checkpoint), max_tokens=tuning.max_tokens)
    log.info(
        "%s on %s, %s, fold %d, seed %d: %d train, %d dev", system, corpus, protocol, fold, seed, len(parts["train"]), len(parts["dev"])
    )
    dev = to_examples(parts["dev"])
    build = partial(row.build, checkpoint, len(classes), pooling=tuning.pooling, dropout=tuning.dropout)
    fitted = fit(build, to_examples(parts["train"]), dev, tuning, how.select, seed, precision, state_path)  # type: ignore[arg-type]
    tables = [
        _predictions(fitted, part, examples, classes, fold, seed) for part, examples in (("dev", dev), ("test", to_examples(parts["test"])))
    ]
    if not PartialState().is_main_process:
        return

    weights = out / "weights" / f"{fold}-{seed}.safetensors"
    weights.unlink(missing_ok=True)
    if keep_weights:
        with whole(weights) as part:
            save_file({name: value.contiguous() for name, value in fitted.model.state_dict().items()}, part, {"format": "pt"})
    run = {
        "paper": paper,
        "system": system,
        "corpus": corpus,
        "source": read_metadata(prepared / "utterances.parquet", artifacts.UTTERANCES).get("source"),
        "protocol": protocol,
        "scheme": how.scheme,
        "checkpoint": card["name"],
        "settings": settings,
        "select": how.select,
        "code": code,
        "versions": versions(*LIBRARIES),
        "fold": fold,
        "seed": seed,
        "selected_epoch": fitted.selected_epoch,
        "history": fitted.history,
        "device": _device(fitted.device),
        "precision": fitted.precision,
        "wall_s": round(fitted.wall_s, 1),
    }
    write_json(out / "run.json", run)
    write_table(out / "predictions.parquet", pd.concat(tables), artifacts.PREDICTIONS, {"classes": list(classes)})
    for state in [*scratch.glob("state-*.pt"), *scratch.glob(".state-*.part")]:  # of killed runs too
        state.unlink()


def gather(runs: list[Path], out: Path) -> None:
    """Join the folders that `train` wrote: run.json (what they share, and a list ``runs``), weights/, predictions.parquet.

    Raises:
        StoreError: a file is missing, or two runs are not of one system, protocol, code and library set.
    """
    records = sorted(((json.loads(_present(run / "run.json").read_text(encoding="utf-8")), run) for run in runs), key=_fold_and_seed)
    shared = {key: value for key, value in records[0][0].items() if key not in PER_RUN}
    for record, run in records:
        if different := [key for key, value in shared.items() if record.get(key) != value]:
            raise StoreError(f"{run}: its {', '.join(different)} differ from those of {records[0][1]}; delete both and train again")
    classes = read_metadata(records[0][1] / "predictions.parquet", artifacts.PREDICTIONS)["classes"]
    predictions = pd.concat([read_table(run / "predictions.parquet", artifacts.PREDICTIONS) for _, run in records])

    shutil.rmtree(out / "weights", ignore_errors=True)
    for _, run in records:
        for weights in sorted((run / "weights").glob("*.safetensors")):
            with whole(out / "weights" / weights.name) as part:
                link(weights, part)
    write_json(out / "run.json", shared | {"runs": [{key: record[key] for key in PER_RUN} for record, _ in records]})
    write_table(out / "predictions.parquet", predictions, artifacts.PREDICTIONS, {"classes": classes})


def _system(paper: str, name: str) -> System:
    systems: dict[str, System] = import_module(PAPERS[paper]).SYSTEMS
    if name not in systems:
        raise ParamsError(f"{paper}: no system {name!r}; known: {', '.join(systems)}")
    return systems[name]


def _card(checkpoint: Path | None) -> dict[str, Any]:
    """SOURCE.json of the checkpoint: its name and digests."""
    if checkpoint is None:
        raise CheckpointError("dvc.yaml: the stage of this system names no checkpoint in data/checkpoints/; add one to its dependencies")
    card: dict[str, Any] = json.loads(_present(checkpoint / "SOURCE.json").read_text(encoding="utf-8"))
    return card


def _parts(prepared: Path, scheme: str, fold: int, system: System) -> dict[str, pd.DataFrame]:
    """Utterances of train, dev and test that have what the system takes, in the order of their ids."""
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES, ["utterance_id", "text", "labels"])
    splits = read_table(prepared / "splits.parquet", artifacts.SPLITS)
    members = splits[(splits["scheme"] == scheme) & (splits["fold"] == fold)].merge(utterances, on="utterance_id", validate="1:1")
    if "tokens" in system.inputs and (absent := int(members["text"].isna().sum())):
        log.info("%d of %d utterances have no text: left out", absent, len(members))
        members = members.dropna(subset="text")
    parts = {part: members[members["split"] == part].sort_values("utterance_id") for part in ("train", "dev", "test")}
    for part, rows in parts.items():
        if rows.empty:
            raise CorpusError(
                f"{prepared / 'splits.parquet'}: scheme {scheme}, fold {fold}: no utterance in {part}; prepare the corpus again"
            )
    return parts


def _examples(part: pd.DataFrame, system: System, classes: Sequence[str], tokenizer: Tokenizer, max_tokens: int) -> Examples:
    for utterance_id, labels in part[["utterance_id", "labels"]].itertuples(index=False):
        if len(labels) != 1 or labels[0] not in classes:
            raise CorpusError(
                f"{utterance_id}: expected one label of {', '.join(classes)}, found {', '.join(labels) or 'none'}; prepare it again"
            )
    labels = np.array([classes.index(labels[0]) for labels in part["labels"]])
    tokens, lengths = tokenizer(part["text"].tolist(), max_tokens)
    if cut := sum(length > max_tokens for length in lengths):
        log.info("%d of %d texts are longer than %d tokens and were cut", cut, len(lengths), max_tokens)
    inputs = {"tokens": tokens}
    return Examples(part["utterance_id"].tolist(), {name: inputs[name] for name in system.inputs}, labels)


def _fingerprint(decisive: list[Any], parts: dict[str, pd.DataFrame]) -> str:
    """Digest of all that decides the result: the state of a run of other inputs is not found."""
    sha = hashlib.sha256(json.dumps([decisive, versions(*LIBRARIES)], sort_keys=True).encode())
    for part in ("train", "dev"):
        sha.update(parts[part].to_json(orient="records").encode())
    return sha.hexdigest()[:16]


def _predictions(fitted: Fitted, part: str, examples: Examples, classes: Sequence[str], fold: int, seed: int) -> pd.DataFrame:
    probabilities = predict(fitted.model, examples, fitted.device).softmax(dim=1).numpy()
    return pd.DataFrame(
        {
            "utterance_id": examples.ids,
            "fold": np.int32(fold),
            "seed": np.int32(seed),
            "split": part,
            "labels": [[classes[i]] for i in examples.labels],
            "predicted": [[classes[i]] for i in probabilities.argmax(axis=1)],
            "probabilities": list(probabilities),
        }
    )


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _fold_and_seed(record_and_run: tuple[dict[str, Any], Path]) -> tuple[int, int]:
    return record_and_run[0]["fold"], record_and_run[0]["seed"]


def _present(path: Path) -> Path:
    if not path.exists():
        raise StoreError(f"{path}: no such file; delete {path.parent} and run again")
    return path
