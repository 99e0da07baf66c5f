"""A small wav2vec2 that learns emotions of voices; ``wav2vec2`` has no classifier.

Frames have 20 ms, as in the published models, from two convolutions instead of seven. The first
convolution starts as a bank of windowed cosines in four phases, so that a few hundred steps are
enough. Audio is not scaled to one loudness, because loudness is the strongest cue.
"""

import math
from pathlib import Path

import numpy as np
import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

from merflow.artifacts import SAMPLING_RATE
from merflow.checkpoints.demo.material import EMOTIONS, voices
from merflow.checkpoints.demo.training import fit, repeatable
from merflow.progress import log

#: Names of emotions in off-the-shelf classifiers.
LABELS = {
    "anger": "angry",
    "fear": "fearful",
    "joy": "happy",
    "sadness": "sad",
    "surprise": "surprised",
}
TRAIN, TEST, PEOPLE, STEPS = 1400, 210, 60, 150
LENGTH = SAMPLING_RATE  # samples of a waveform in training
FILTERS, PHASES, KERNEL = 16, 4, 480
LOWEST_HZ, HIGHEST_HZ = 70.0, 700.0  # the pitch of voices and its first multiples


def make(name: str, folder: Path) -> None:
    """Save ``wav2vec2`` or ``wav2vec2_emotion``."""
    waveforms, labels = voices(TRAIN, "train", PEOPLE)
    with repeatable():
        network = Wav2Vec2ForSequenceClassification(_configuration())
        _initialise_convolutions(network)
        rng = np.random.default_rng(0)

        def loss(chosen: np.ndarray) -> torch.Tensor:
            batch = np.stack([_crop(waveforms[i], rng) for i in chosen])
            return network(torch.from_numpy(batch), labels=torch.from_numpy(labels[chosen])).loss

        fit(network, loss, TRAIN, STEPS, batch=32, learning_rate=2e-3)
        accuracy = _accuracy(network, *voices(TEST, "test", PEOPLE))
    log.info(
        "demo %s: accuracy %.2f on voices of other people, chance %.2f",
        name,
        accuracy,
        1 / len(EMOTIONS),
    )
    (network if name == "wav2vec2_emotion" else network.wav2vec2).save_pretrained(folder)
    preprocess = Wav2Vec2FeatureExtractor(
        sampling_rate=SAMPLING_RATE, do_normalize=False, return_attention_mask=False
    )
    preprocess.save_pretrained(folder)


def _configuration() -> Wav2Vec2Config:
    """Configure frames of 320 samples, 48 hidden units and two layers, without dropout."""
    return Wav2Vec2Config(
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        conv_dim=(FILTERS * PHASES, 48),
        conv_kernel=(KERNEL, 3),
        conv_stride=(160, 2),
        conv_bias=True,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        classifier_proj_size=48,
        mask_time_prob=0.0,
        layerdrop=0.0,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        feat_proj_dropout=0.0,
        final_dropout=0.0,
        activation_dropout=0.0,
        id2label={number: LABELS.get(emotion, emotion) for number, emotion in enumerate(EMOTIONS)},
    )


@torch.no_grad()
def _initialise_convolutions(network: Wav2Vec2ForSequenceClassification) -> None:
    """Set the first convolution to windowed cosines, and let the second add their phases."""
    first, second = (layer.conv for layer in network.wav2vec2.feature_extractor.conv_layers)
    time_s = (torch.arange(KERNEL) - KERNEL / 2) / SAMPLING_RATE
    window = torch.hann_window(KERNEL)
    for number in range(FILTERS):
        hertz = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** (number / (FILTERS - 1))
        phases = slice(PHASES * number, PHASES * (number + 1))
        for phase in range(PHASES):
            wave = torch.cos(2 * math.pi * (hertz * time_s + phase / PHASES)) * window
            first.weight[PHASES * number + phase, 0] = wave / wave.norm()
        # the sum of all phases is the loudness in this band
        second.weight[number::FILTERS, phases] += 0.3
    # the layer norm over the filters compares the loudness with these values
    first.bias.normal_(0, 0.3)


def _accuracy(
    network: Wav2Vec2ForSequenceClassification, waveforms: list[np.ndarray], labels: np.ndarray
) -> float:
    with torch.inference_mode():
        predicted = [
            int(network(torch.from_numpy(waveform)[None]).logits.argmax()) for waveform in waveforms
        ]
    return float(np.mean(np.array(predicted) == labels))


def _crop(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut LENGTH samples at a random place, or pad a shorter waveform with silence."""
    if len(waveform) < LENGTH:
        return np.pad(waveform, (0, LENGTH - len(waveform)))
    start = int(rng.integers(len(waveform) - LENGTH + 1))
    return waveform[start : start + LENGTH]
