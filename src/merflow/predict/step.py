"""The command ``predict``: from a clip, or a folder of clips, to class probabilities."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from merflow.display import printable
from merflow.predict.check import check
from merflow.predict.clips import Clips, prepare
from merflow.predict.forward import probabilities
from merflow.predict.inputs import decode, extract, read, read_defects
from merflow.predict.models import Model, read_checkpoints, read_models, select_runs
from merflow.predict.show import Prediction, Predictions
from merflow.progress import log, track

GIVE_TEXT = "give --text, --annotations or a .txt file beside the clip"


def predict(
    target: Path,
    folder: Path,
    checkpoints_folder: Path,
    text: str | None = None,
    annotations: Path | None = None,
    fold: int | None = None,
    seed: int | None = None,
    despite_changes: bool = False,
) -> Predictions:
    """Predict class probabilities of a clip, or of every clip of a folder.

    Args:
        target: file or folder.
        folder: results of the system, results/<paper>/<system>/<corpus>-<protocol>.
        checkpoints_folder: pre-trained models, data/checkpoints.
        text: transcript of a single clip.
        annotations: CSV with columns clip and text.
        fold, seed: of the runs to average; None: all whose weights were kept.
        despite_changes: go on if code or libraries differ from training.

    Raises:
        StoreError: the system has no weights of these runs, or its inputs cannot be made of clips
            as for training.
        CorpusError: there is no clip.
        CheckpointError, ParamsError: a feature cannot be extracted.
    """
    models, checkpoints = read_models(folder), read_checkpoints(checkpoints_folder)
    check(models, checkpoints, despite_changes)
    runs = select_runs(models, fold, seed)
    with tempfile.TemporaryDirectory(prefix="merflow-predict-") as scratch:
        clips = prepare(target, text, annotations, Path(scratch))
        n_clips, n_failed = len(clips.utterances), len(clips.failed)
        run_names = ", ".join(map(str, runs))
        log.info("%s: %d clips, %d cannot be opened; runs %s", target, n_clips, n_failed, run_names)
        media = decode(models, clips)
        stores = extract(models, clips, media, checkpoints)
        inputs = read(models, clips, stores, checkpoints)
        of_runs = [probabilities(models, inputs, run) for run in track(runs, "runs", len(runs))]
        defects = read_defects(media)
    predicted = sorted(of_runs[0])  # all runs have the same utterances
    means = {key: np.mean([of_run[key] for of_run in of_runs], axis=0) for key in predicted}
    rows = [_prediction(models[-1], key, mean) for key, mean in means.items()]
    lacking = sorted(clips.ids - set(predicted))
    reasons = {key: _reason(key, models, clips, defects) for key in lacking}
    return Predictions(
        printable(str(folder)), models[-1].classes, runs, rows, clips.failed | reasons
    )


def _prediction(model: Model, key: str, probabilities: np.ndarray) -> Prediction:
    """Name the likeliest class, or in multi-label corpora all classes from 0.5."""
    indices = [int(probabilities.argmax())]
    if model.multi_label:
        indices = np.flatnonzero(probabilities >= 0.5).tolist()
    names = [model.classes[index] for index in indices]
    return Prediction(key, names, dict(zip(model.classes, probabilities.tolist(), strict=True)))


def _reason(key: str, models: Sequence[Model], clips: Clips, defects: Mapping[str, str]) -> str:
    """Say why an utterance whose clip can be opened has no prediction."""
    modalities = set().union(*(model.modalities for model in models))
    text = clips.utterances.set_index("utterance_id").at[key, "text"]
    if "text" in modalities and pd.isna(text):
        return clips.no_text.get(key, f"no text, which this model needs; {GIVE_TEXT}")
    return defects.get(key, f"lacks {' or '.join(sorted(modalities))}, which this model needs")
