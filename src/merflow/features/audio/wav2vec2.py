"""Last hidden layer of a frozen wav2vec2, HuBERT or WavLM, or its emotion probabilities.

The probabilities come from its head. weighted_late_fusion section B takes an emotion classifier's
confidence per class, deepmsi_mer section 3 the states. A row is a frame. All published models have
one per 20 ms, which makes (n_samples - 400) // 320 + 1 frames.
Labels of the classifier become emotions by name, never by position.
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
from merflow.errors import CheckpointError, reason
from merflow.features.extractor import Flagged
from merflow.features.pretrained import load
from merflow.features.sources import AudioSource
from merflow.params import Wav2vec2Params

SOURCE = AudioSource
PARAMS = Wav2vec2Params
LIBRARIES = ("torch", "transformers")
USES_GPU = True

#: Longer audio is cut. One minute takes 1 to 2 GB; MELD has wrongly cut clips of 235 and 305 s.
LONGEST_S = 60


def extract(
    blocks: Iterable[Sequence[np.ndarray]], params: Wav2vec2Params, checkpoint: Path
) -> Iterator[np.ndarray | Flagged]:
    """Yield states (n_frames, dim), their mean (1, dim) or probabilities (1, n_labels).

    Waveforms are computed one at a time and never padded: wav2vec2-base normalises over the whole
    input, padding included. Batches of similar length were not faster on one thread
    (benchmarks/wav2vec2.py). Waveforms longer than LONGEST_S are cut and flagged.

    Args:
        blocks: waveforms, float32 (n_samples,) at 16 kHz.
        params: kind of output.
        checkpoint: folder of the model.

    Yields:
        float32, in the order of the waveforms.

    Raises:
        CheckpointError: the checkpoint is another kind of model, has another sampling rate, or has
            labels that are not emotions.
    """
    columns(params, checkpoint)  # checks the labels before the weights are read
    preprocess = _preprocessor(checkpoint)
    classify = params.output == "probabilities"
    model = load(
        AutoModelForAudioClassification if classify else AutoModel,
        checkpoint,
        optional=("masked_spec_embed",),  # replaces masked frames in training only
    )
    longest = LONGEST_S * SAMPLING_RATE
    for waveforms in blocks:
        for waveform in waveforms:
            values = _encode(model, preprocess, waveform[:longest], params.output)
            if len(waveform) > longest:
                seconds = f"{len(waveform) / SAMPLING_RATE:.1f} s"
                yield Flagged(values, "long sound", seconds, f"cut to {LONGEST_S} s")
            else:
                yield values


def columns(params: Wav2vec2Params, checkpoint: Path) -> list[str] | None:
    """Name the probabilities by emotion; hidden units have no names.

    `merflow.corpora.labels.emotion` gives the spelling.

    Raises:
        CheckpointError: a label is not an emotion, or two labels mean the same emotion.
    """
    if params.output != "probabilities":
        return None
    config = _load_configured(AutoConfig, checkpoint)
    labels = [config.id2label[number] for number in range(config.num_labels)]
    try:
        emotions = [emotion(label) for label in labels]
    except CheckpointError as error:
        raise CheckpointError(f"{checkpoint}: a label of its classifier: {error}") from error
    if len(set(emotions)) < len(emotions):
        raise CheckpointError(
            f"{checkpoint}: two labels of its classifier mean the same: {', '.join(labels)}; "
            "name another checkpoint"
        )
    return emotions


@torch.inference_mode()
def _encode(
    model: PreTrainedModel, preprocess: Wav2Vec2FeatureExtractor, waveform: np.ndarray, output: str
) -> np.ndarray:
    batch = preprocess(
        waveform, sampling_rate=SAMPLING_RATE, return_attention_mask=False, return_tensors="pt"
    )
    result = model(batch["input_values"].to(model.device))
    if output == "probabilities":
        return result.logits.softmax(dim=-1).cpu().numpy()
    states = result.last_hidden_state[0].cpu().numpy()
    return states.mean(axis=0, keepdims=True) if output == "mean" else states


def _preprocessor(checkpoint: Path) -> Wav2Vec2FeatureExtractor:
    preprocess = _load_configured(AutoFeatureExtractor, checkpoint)
    if not isinstance(preprocess, Wav2Vec2FeatureExtractor):
        raise CheckpointError(
            f"{checkpoint}: its model takes the output of {type(preprocess).__name__}, expected "
            "samples; name a wav2vec2, HuBERT or WavLM"
        )
    if preprocess.sampling_rate != SAMPLING_RATE:
        raise CheckpointError(
            f"{checkpoint}: its model takes {preprocess.sampling_rate} Hz, the audio has "
            f"{SAMPLING_RATE} Hz; name another checkpoint"
        )
    return preprocess


def _load_configured(auto_class: Any, checkpoint: Path) -> Any:
    """Build an object of an Auto class from the checkpoint's configuration files."""
    try:
        return auto_class.from_pretrained(checkpoint, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{checkpoint}: cannot be read by {auto_class.__name__} ({reason(error)})"
        ) from error
