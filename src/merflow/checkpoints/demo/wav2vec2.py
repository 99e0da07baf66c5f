"""A small wav2vec2 that tells emotions by the voice; ``wav2vec2`` is the network without its classifier.

Frames of 20 ms, as of the published models, from two convolutions instead of seven. The first one starts as a bank of windowed
cosines in four phases, so that a few hundred steps are enough; sounds are not scaled to one loudness, which tells most.
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

#: Names as off-the-shelf classifiers have them.
LABELS = {
    "anger": "angry",
    "fear": "fearful",
    "joy": "happy",
    "sadness": "sad",
    "surprise": "surprised",
}
TRAIN, TEST, PEOPLE, STEPS = 1400, 210, 60, 150
LENGTH = SAMPLING_RATE  # samples of a sound in training
FILTERS, PHASES, KERNEL = 16, 4, 480
LOWEST_HZ, HIGHEST_HZ = 70.0, 700.0  # the pitch of voices and its first multiples


def make(name: str, folder: Path) -> None:
    """Save ``wav2vec2`` or ``wav2vec2_emotion``."""
    sounds, labels = voices(TRAIN, "train", PEOPLE)
    with repeatable():
        network = _build()
        rng = np.random.default_rng(0)

        def loss(chosen: np.ndarray) -> torch.Tensor:
            batch = np.stack([_cut(sounds[i], rng) for i in chosen])
            return network(torch.from_numpy(batch), labels=torch.from_numpy(labels[chosen])).loss

        fit(network, loss, TRAIN, STEPS, batch=32, learning_rate=2e-3)
        unheard, truth = voices(TEST, "test", PEOPLE)
        with torch.inference_mode():
            found = [
                int(network(torch.from_numpy(sound)[None]).logits.argmax()) for sound in unheard
            ]
    accuracy = float(np.mean(np.array(found) == truth))
    log.info(
        "demo %s: accuracy %.2f on voices of other people, chance %.2f",
        name,
        accuracy,
        1 / len(EMOTIONS),
    )
    (network if name == "wav2vec2_emotion" else network.wav2vec2).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(
        sampling_rate=SAMPLING_RATE, do_normalize=False, return_attention_mask=False
    ).save_pretrained(folder)


def _build() -> Wav2Vec2ForSequenceClassification:
    """Frames every 320 samples, 48 hidden units, two layers."""
    network = Wav2Vec2ForSequenceClassification(
        Wav2Vec2Config(
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
            id2label={
                number: LABELS.get(emotion, emotion) for number, emotion in enumerate(EMOTIONS)
            },
        )
    )
    first, second = (layer.conv for layer in network.wav2vec2.feature_extractor.conv_layers)
    time = (torch.arange(KERNEL) - KERNEL / 2) / SAMPLING_RATE
    with torch.no_grad():
        for number in range(FILTERS):
            hertz = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** (number / (FILTERS - 1))
            for phase in range(PHASES):
                wave = torch.cos(2 * math.pi * (hertz * time + phase / PHASES)) * torch.hann_window(
                    KERNEL
                )
                first.weight[PHASES * number + phase, 0] = wave / wave.norm()
            second.weight[number::FILTERS, PHASES * number : PHASES * (number + 1)] += (
                0.3  # all phases together: how loud it is
            )
        first.bias.normal_(0, 0.3)  # what a layer norm over the filters compares the loudness with
    return network


def _cut(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """LENGTH samples of `sound`, anywhere in it; silence behind a shorter one."""
    if len(sound) < LENGTH:
        return np.pad(sound, (0, LENGTH - len(sound)))
    start = int(rng.integers(len(sound) - LENGTH + 1))
    return sound[start : start + LENGTH]
