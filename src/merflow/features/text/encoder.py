"""Last hidden layer of a frozen text encoder (BERT, RoBERTa).

mel_cnn_bert section 3 and deepmsi_mer section 3 use the states unchanged, so special tokens are
kept: [CLS] and [SEP] (<s> and </s>) are rows 0 and -1. An empty text has these two rows only.
``tokens`` are all rows, ``mean`` is their average, and ``cls`` is row 0.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, PreTrainedModel

from merflow.features.extractor import Flagged
from merflow.features.pretrained import load
from merflow.features.sources import TextSource
from merflow.features.text.tokens import Tokenizer
from merflow.params import EncoderParams

SOURCE = TextSource
PARAMS = EncoderParams
LIBRARIES = ("torch", "transformers", "tokenizers")
USES_GPU = True

BATCH = 32  # texts of similar length; from 16 to 64 the speed is about the same


def extract(
    blocks: Iterable[Sequence[str]], params: EncoderParams, checkpoint: Path
) -> Iterator[np.ndarray | Flagged]:
    """Yield states (n_tokens, dim) of each text, or one vector (1, dim).

    Texts of similar length are computed together and padded to the longest of them. The batch of a
    text changes its values by less than 1e-5. Texts longer than `params.max_tokens` are cut and
    flagged.

    Args:
        blocks: texts.
        params: longest text in tokens, kind of output.
        checkpoint: folder of the encoder.

    Yields:
        float32, in the order of the texts.

    Raises:
        CheckpointError: the checkpoint is not an encoder with a tokenizer.
    """
    encoder, tokenizer = load(AutoModel, checkpoint), Tokenizer(checkpoint)
    for texts in blocks:
        tokens, lengths = tokenizer(texts, params.max_tokens)
        vectors = _encode(encoder, tokens, params.output)
        for text_vectors, length in zip(vectors, lengths, strict=True):
            if length > params.max_tokens:
                cut = f"cut to {params.max_tokens}"
                yield Flagged(text_vectors, "long text", f"{length} tokens", cut)
            else:
                yield text_vectors


def columns(params: EncoderParams, checkpoint: Path) -> None:
    """Return None: hidden units have no names."""


def _encode(encoder: PreTrainedModel, tokens: list[np.ndarray], output: str) -> list[np.ndarray]:
    """Compute the vectors of all texts of a block, texts of similar length together."""
    vectors: dict[int, np.ndarray] = {}
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        states = _states(encoder, [torch.from_numpy(tokens[i]) for i in batch])
        for i, text_states in zip(batch, states, strict=True):
            vectors[i] = _pool(text_states, output)
    return [vectors[i] for i in range(len(tokens))]


@torch.inference_mode()
def _states(encoder: PreTrainedModel, tokens: list[torch.Tensor]) -> list[np.ndarray]:
    lengths = torch.tensor([len(ids) for ids in tokens])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    # padded with 0, which need not be the tokenizer's padding because it is masked
    padded = pad_sequence(tokens, batch_first=True).to(encoder.device)
    output = encoder(input_ids=padded, attention_mask=mask.to(encoder.device))
    states = output.last_hidden_state.float().cpu().numpy()
    return [states[i, : len(ids)].copy() for i, ids in enumerate(tokens)]


def _pool(states: np.ndarray, output: str) -> np.ndarray:
    if output == "tokens":
        return states
    return states[:1] if output == "cls" else states.mean(axis=0, keepdims=True)
