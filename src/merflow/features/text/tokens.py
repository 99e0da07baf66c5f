"""Texts as the token ids that a checkpoint was trained on."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import logging

from merflow.errors import CheckpointError
from merflow.progress import log

logging.disable_progress_bar()  # "Loading weights" takes a second; a bar does not belong in a log file


def tokenise(texts: Sequence[str], folder: Path, max_tokens: int) -> list[np.ndarray]:
    """Token ids of each text, special tokens ([CLS], [SEP] or <s>, </s>) included: an empty text has two.

    Args:
        texts: any texts.
        folder: a checkpoint with its tokenizer.
        max_tokens: longer texts are cut to so many tokens, and counted in the log.

    Returns:
        One array (n_tokens,) of int64 per text, in the order of `texts`.

    Raises:
        CheckpointError: the checkpoint has no tokenizer.
    """
    tokenizer = _load(folder)
    # cut here, not by the tokenizer: the count needs the full length
    full = tokenizer(list(texts), return_attention_mask=False, verbose=False)["input_ids"] if texts else []
    cut = sum(len(ids) > max_tokens for ids in full)
    if cut:
        log.info("%d of %d texts are longer than %d tokens and were cut", cut, len(texts), max_tokens)
        full = tokenizer(list(texts), return_attention_mask=False, truncation=True, max_length=max_tokens)["input_ids"]
    return [np.asarray(ids, dtype=np.int64) for ids in full]


@lru_cache(maxsize=1)
def _load(folder: Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: holds no tokenizer that can be loaded ({' '.join(str(error).split())[:200]})") from error
