"""A frozen wav2vec2, HuBERT or WavLM: its last hidden layer, or the probabilities of its emotion classifier.

weighted_late_fusion section B takes an emotion classifier's confidence per class, deepmsi_mer section 3 the states. A row is a
frame: one per 20 ms for all published models, (n_samples - 400) // 320 + 1 of them. The classifier's labels become
emotions by their names, never by their position.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForAudioClassification,
    PreTrainedModel,
    Wav2Vec2FeatureExtractor,
)

from merflow.artifacts import SAMPLING_RATE
from merflow.corpora.labels import emotion
from merflow.errors import CheckpointError
from merflow.features.extractor import Flagged
from merflow.features.pretrained import load
from merflow.features.sources import Sounds
from merflow.params import Wav2vec2Params

SOURCE = Sounds
PARAMS = Wav2vec2Params
LIBRARIES = ("torch", "transformers")
USES_GPU = True

LONGEST_S = 60  # of sound; that takes 1 to 2 GB. MELD has clips of 235 and 305 s, cut wrong


def extract(
    blocks: Iterable[Sequence[np.ndarray]], params: Wav2vec2Params, checkpoint: Path
) -> Iterator[np.ndarray | Flagged]:
    """(n_frames, dim) states, their mean (1, dim), or (1, n_labels) probabilities of each sound.

    One sound at a time, so never padded: wav2vec2-base and its like normalise over the whole input, padding too. Batches
    of like length were no faster on one thread (benchmarks/wav2vec2.py). Sounds longer than LONGEST_S are cut and flagged.

    Args:
        blocks: sounds, float32 (n_samples,) at 16 kHz.
        params: what is put out.
        checkpoint: folder of the model.

    Yields:
        float32, in the order of the sounds.

    Raises:
        CheckpointError: the checkpoint is no such model, has another sampling rate, or labels that are no emotions.
    """
    columns(params, checkpoint)  # before the weights: names are cheap to check
    preprocess = _preprocessor(checkpoint)
    kind = AutoModelForAudioClassification if params.output == "probabilities" else AutoModel
    model = load(
        kind, checkpoint, optional=("masked_spec_embed",)
    )  # what stands for masked frames in training
    longest = LONGEST_S * SAMPLING_RATE
    for sounds in blocks:
        for sound in sounds:
            values = _compute(model, preprocess, sound[:longest], params.output)
            seconds = f"{len(sound) / SAMPLING_RATE:.1f} s"
            yield (
                Flagged(values, "long sound", seconds, f"cut to {LONGEST_S} s")
                if len(sound) > longest
                else values
            )


def columns(params: Wav2vec2Params, checkpoint: Path) -> list[str] | None:
    """The emotion that each probability is of, as `merflow.corpora.labels.emotion` spells it; hidden units have no names.

    Raises:
        CheckpointError: a label is no emotion, or two are the same.
    """
    if params.output != "probabilities":
        return None
    config = _configured(AutoConfig, checkpoint)
    labels = [config.id2label[number] for number in range(config.num_labels)]
    try:
        names = [emotion(label) for label in labels]
    except CheckpointError as error:
        raise CheckpointError(f"{checkpoint}: a label of its classifier: {error}") from error
    if len(set(names)) < len(names):
        raise CheckpointError(
            f"{checkpoint}: two labels of its classifier mean the same: {', '.join(labels)}; name another checkpoint"
        )
    return names


@torch.inference_mode()
def _compute(
    model: PreTrainedModel, preprocess: Wav2Vec2FeatureExtractor, sound: np.ndarray, output: str
) -> np.ndarray:
    inputs = preprocess(
        sound, sampling_rate=SAMPLING_RATE, return_attention_mask=False, return_tensors="pt"
    )
    found = model(inputs["input_values"].to(model.device))
    if output == "probabilities":
        return found.logits.softmax(dim=-1).cpu().numpy()
    states = found.last_hidden_state[0].cpu().numpy()
    return states.mean(axis=0, keepdims=True) if output == "mean" else states


def _preprocessor(checkpoint: Path) -> Wav2Vec2FeatureExtractor:
    found = _configured(AutoFeatureExtractor, checkpoint)
    if not isinstance(found, Wav2Vec2FeatureExtractor):
        raise CheckpointError(
            f"{checkpoint}: its model does not take samples but what {type(found).__name__} makes; expected a wav2vec2"
        )
    if found.sampling_rate != SAMPLING_RATE:
        raise CheckpointError(
            f"{checkpoint}: its model takes {found.sampling_rate} Hz, the sounds have {SAMPLING_RATE} Hz; name another"
        )
    return found


def _configured(kind: Any, checkpoint: Path) -> Any:
    """What an Auto class makes of the checkpoint's configuration files."""
    try:
        return kind.from_pretrained(checkpoint, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{checkpoint}: cannot be read by {kind.__name__} ({' '.join(str(error).split())[:200]})"
        ) from error
