"""Token states of a frozen BERT (or another encoder with a word-piece tokenizer): its last hidden layer.

mel_cnn_bert section 3 and deepmsi_mer section 3 take the states as they are, so [CLS] and [SEP] are kept: rows 0 and
-1. An empty text is these two rows.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, PreTrainedModel

from merflow.checkpoints import resolve
from merflow.errors import CheckpointError
from merflow.features.text.tokens import tokenise
from merflow.params import BertFeatures

MODALITY = "text"
PARAMS = BertFeatures
LIBRARIES = ("torch", "transformers", "tokenizers")  # their versions are stored beside the values

BATCH = 32  # texts of like length; from 16 to 64 the speed is about the same


def extract(items: Sequence[str], params: BertFeatures) -> Iterator[np.ndarray]:
    """Token states of each text.

    Texts of like length are computed together and padded to the longest of them only. With which others a text is
    computed changes its values by less than 1e-5.

    Args:
        items: texts.
        params: checkpoint and the longest text in tokens.

    Yields:
        Arrays (n_tokens, dim) of float32, in the order of `items`.

    Raises:
        CheckpointError: the checkpoint is not at hand, or it is no encoder.
    """
    folder = resolve(params.checkpoint)
    encoder = _load(folder)
    tokens = [torch.from_numpy(ids) for ids in tokenise(items, folder, params.max_tokens)]
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    states: dict[int, np.ndarray] = {}
    for start in range(0, len(order), BATCH):
        members = order[start : start + BATCH]
        for i, values in zip(members, _encode(encoder, [tokens[i] for i in members]), strict=True):
            states[i] = values
    yield from (states[i] for i in range(len(tokens)))


@lru_cache(maxsize=1)
def _load(folder: Path) -> PreTrainedModel:
    try:
        model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: cannot be loaded as an encoder ({' '.join(str(error).split())[:200]})") from error
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


@torch.inference_mode()
def _encode(encoder: PreTrainedModel, tokens: list[torch.Tensor]) -> list[np.ndarray]:
    lengths = torch.tensor([len(ids) for ids in tokens])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    padded = pad_sequence(tokens, batch_first=True)  # with 0: masked, so it need not be the tokenizer's padding
    states = encoder(input_ids=padded.to(encoder.device), attention_mask=mask.to(encoder.device)).last_hidden_state
    rows = states.float().cpu().numpy()
    return [rows[i, : len(ids)].copy() for i, ids in enumerate(tokens)]
