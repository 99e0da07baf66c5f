"""Generated inputs and random encoders at the sizes of the real corpora, for paper_scale.py."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from transformers import (
    BertConfig,
    BertModel,
    RobertaConfig,
    RobertaModel,
    SwinConfig,
    SwinModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)

from merflow import corpora
from merflow.preflight.room import MEANS
from merflow.systems import System
from merflow.training.batches import Examples, LazyArrays

#: Mean utterances of a dialogue: 13,708 / 1,432 (MELD), 10,039 / 151 (IEMOCAP), 23,259 / 3,295
#: (CMU-MOSEI), one (RAVDESS).
DIALOGUES = {"meld": 10, "iemocap": 66, "mosei": 7, "ravdess": 1}
PER_SECOND = {"mel"}  # features with a row every hop_length samples
PER_WORD = {"fasttext", "covarep", "facet", "glove_aligned"}  # others have a row per utterance
#: Dimensions of features; those of others are in params/paper.yaml.
DIMS = {"is13": 6373, "bert_mean": 768, "wav2vec2_mean": 768}
FRAME = (256, 456)  # height, width as decoded: the short side of params/paper.yaml at 16:9


def sizes(corpus: str, scheme: str) -> dict[str, int]:
    """Utterances in the splits of a fold of the complete corpus (merflow.corpora.splits)."""
    expected = corpora.load(corpus).EXPECTED
    counts = {split: sum(labels.values()) for split, labels in expected.items()}
    total = counts.get("all") or sum(counts.values())
    if scheme == "official":
        return {split: counts[split] for split in ("train", "dev", "test")}
    # a fifth is test; instances: as if each segment had one emotion
    if scheme in ("pooled", "instances"):
        return {"train": total * 4 // 5, "test": total // 5}
    if scheme == "ten_folds":
        return {"train": total * 9 // 10, "test": total // 10}
    if scheme in ("sessions", "session5"):  # a fifth of the other sessions is dev
        return {"train": total * 16 // 25, "dev": total * 4 // 25, "test": total // 5}
    return {"train": total * 3 // 5, "dev": total // 5, "test": total // 5}  # actors


TINY_TEXT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
TINY_SWIN = {
    "image_size": 32,
    "patch_size": 2,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 1, 2, 2],
    "embed_dim": 8,
    "window_size": 2,
}
TINY_AUDIO = {"conv_dim": (8,) * 7, "num_conv_pos_embedding_groups": 2}
ROBERTA = {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}


def save_encoders(folder: Path, small: bool) -> None:
    """Save random BERT, RoBERTa, wav2vec2 (base) and Swin-T in the Hub's format, or tiny ones."""
    text = TINY_TEXT if small else {}
    torch.manual_seed(0)
    BertModel(BertConfig(**text)).save_pretrained(folder / "bert")
    RobertaModel(RobertaConfig(**ROBERTA, **text)).save_pretrained(folder / "roberta")
    SwinModel(SwinConfig(**TINY_SWIN if small else {})).save_pretrained(folder / "swin")
    audio = TINY_TEXT | TINY_AUDIO if small else {}
    Wav2Vec2Model(Wav2Vec2Config(**audio)).save_pretrained(folder / "wav2vec2")
    Wav2Vec2FeatureExtractor().save_pretrained(folder / "wav2vec2")
    pixels = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    (folder / "swin" / "preprocessor_config.json").write_text(json.dumps(pixels))


class Corpus:
    """Generated inputs of a corpus: an utterance has the same length in every input."""

    def __init__(self, name: str, params: Mapping[str, Any], n: int):
        self.rng = np.random.default_rng(7)
        seconds, words = MEANS[name].seconds, MEANS[name].words
        self.dialogue = DIALOGUES[name]
        self.n, self.features = n, params["features"]
        self.frames = np.maximum(1, self.rng.gamma(2, seconds / 2, n) * 100).astype(int)
        self.words = np.maximum(1, self.rng.gamma(2, words / 2, n)).astype(int)
        frame = cv2.blur(self.rng.integers(0, 256, (*FRAME, 3), np.uint8), (9, 9))
        quality = [cv2.IMWRITE_JPEG_QUALITY, params["media"]["jpeg_quality"]]
        self.jpeg = cv2.imencode(".jpg", frame, quality)[1]

    def examples(
        self,
        system: System,
        params: Mapping[str, Any],
        features: Mapping[str, str],
        member_shapes: Mapping[str, tuple],
        labels: np.ndarray,
    ) -> Examples:
        """Inputs of a system.

        Args:
            system: names its inputs.
            params: block of the system.
            features: name of an input -> feature.
            member_shapes: member -> shape of the hidden activations of an utterance.
            labels: of all utterances.
        """
        inputs = {
            name: self._input(features.get(name, name), params.get("inputs", {}).get(name, {}))
            for name in system.inputs
        }
        for name, shape in member_shapes.items():
            inputs[name] = [self._noise(*shape) for _ in range(self.n)]
        dialogues = None
        if system.by_dialogue:
            dialogues = np.array_split(np.arange(self.n), -(-self.n // self.dialogue))
        return Examples([str(i) for i in range(self.n)], inputs, labels, dialogues)

    def _noise(self, *shape: int) -> np.ndarray:
        return self.rng.standard_normal(shape, np.float32)

    def _input(self, name: str, params: Mapping[str, Any]) -> Any:
        if name == "tokens":
            return self._tokens(params["max_tokens"], params["context"])
        if name.startswith("frames_"):
            ids = [str(i) for i in range(self.n)]
            return LazyArrays(partial(self._frames, **params), ids, params["frames"])
        if name == "waveform":
            counts = np.minimum(params["max_seconds"] * 16_000, 160 * (self.frames + 10))
            return [self.rng.integers(-9000, 9000, count, dtype=np.int16) for count in counts]
        feature = self.features.get(name, {})
        dim = feature.get("dim") or feature.get("n_mels") or DIMS[name]
        if name in PER_SECOND:
            rows = self.frames * 160 // feature["hop_length"] + 1
            lengths = np.minimum(params.get("max_frames", 10**9), rows)
        else:
            lengths = self.words if name in PER_WORD else np.ones(self.n, int)
        return [self._noise(length, dim) for length in lengths]

    def _tokens(self, most: int, context: int) -> list[np.ndarray]:
        """A word is 1.3 tokens; each turn before counts as much as the utterance."""
        counts = np.minimum(most, 2 + (1.3 * self.words).astype(int) * (1 + context))
        ids = [self.rng.integers(1000, 30000, count) for count in counts]
        return [np.stack([tokens, np.zeros_like(tokens)], axis=1) for tokens in ids]

    def _frames(self, _: str, frames: int, size: int) -> np.ndarray:
        """Decode and scale when a batch asks, as training does: few frames fit in memory."""
        decoded = [cv2.imdecode(self.jpeg, cv2.IMREAD_COLOR_RGB) for _ in range(frames)]
        scaled = [
            cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA) for frame in decoded
        ]
        return np.stack(scaled)
