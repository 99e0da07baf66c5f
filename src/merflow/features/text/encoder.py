"""States of a frozen text encoder (BERT, RoBERTa), its last hidden layer: of all tokens, or one vector per text.

mel_cnn_bert section 3 and deepmsi_mer section 3 take the states as they are, so special tokens are kept: [CLS] and [SEP]
(<s> and </s>) are rows 0 and -1. An empty text is these two rows. ``mean`` is over all rows, ``cls`` is row 0.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, PreTrainedModel

from merflow.features.extractor import Flagged
from merflow.features.pretrained import load
from merflow.features.sources import Texts
from merflow.features.text.tokens import Tokenizer
from merflow.params import EncoderParams

SOURCE = Texts
PARAMS = EncoderParams
LIBRARIES = ("torch", "transformers", "tokenizers")
USES_GPU = True

BATCH = 32  # texts of like length; from 16 to 64 the speed is about the same


def extract(
    blocks: Iterable[Sequence[str]], params: EncoderParams, checkpoint: Path
) -> Iterator[np.ndarray | Flagged]:
    """(n_tokens, dim), or (1, dim) if pooled, of each text.

    Texts of like length are computed together and padded to the longest of them only. With which others a text is
    computed changes its values by less than 1e-5. Texts longer than `params.max_tokens` are cut and flagged.

    Args:
        blocks: texts.
        params: longest text in tokens, what is put out.
        checkpoint: folder of the encoder.

    Yields:
        float32, in the order of the texts.

    Raises:
        CheckpointError: the checkpoint is no encoder with a tokenizer.
    """
    encoder, tokenizer = load(AutoModel, checkpoint), Tokenizer(checkpoint)
    for texts in blocks:
        tokens, lengths = tokenizer(texts, params.max_tokens)
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
        states: dict[int, np.ndarray] = {}
        for start in range(0, len(order), BATCH):
            members = order[start : start + BATCH]
            for i, rows in zip(
                members,
                _encode(encoder, [torch.from_numpy(tokens[i]) for i in members]),
                strict=True,
            ):
                states[i] = _pool(rows, params.output)
        for i, length in enumerate(lengths):
            cut = length > params.max_tokens
            yield (
                Flagged(states[i], "long text", f"{length} tokens", f"cut to {params.max_tokens}")
                if cut
                else states[i]
            )


def columns(params: EncoderParams, checkpoint: Path) -> None:
    """Hidden units have no names."""


def _pool(rows: np.ndarray, output: str) -> np.ndarray:
    return {"tokens": rows, "cls": rows[:1], "mean": rows.mean(axis=0, keepdims=True)}[output]


@torch.inference_mode()
def _encode(encoder: PreTrainedModel, tokens: list[torch.Tensor]) -> list[np.ndarray]:
    lengths = torch.tensor([len(ids) for ids in tokens])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    padded = pad_sequence(
        tokens, batch_first=True
    )  # with 0: masked, so it need not be the tokenizer's padding
    states = encoder(
        input_ids=padded.to(encoder.device), attention_mask=mask.to(encoder.device)
    ).last_hidden_state
    rows = states.float().cpu().numpy()
    return [rows[i, : len(ids)].copy() for i, ids in enumerate(tokens)]
