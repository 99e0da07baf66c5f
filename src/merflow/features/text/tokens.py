"""Texts as the token ids that a checkpoint was trained on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer
from transformers.utils import logging

from merflow.errors import CheckpointError

logging.disable_progress_bar()  # "Loading weights" takes a second; a bar does not belong in a log file


class Tokenizer:
    """The tokenizer of a checkpoint; special tokens ([CLS], [SEP] or <s>, </s>) are part of every text."""

    def __init__(self, checkpoint: Path):
        """Load it from `checkpoint`, a folder.

        Raises:
            CheckpointError: the checkpoint has no tokenizer.
        """
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(checkpoint, local_files_only=True)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"{checkpoint}: holds no tokenizer that can be loaded ({reason})"
            ) from error
        if len(self._tokenizer) <= len(
            self._tokenizer.all_special_tokens
        ):  # transformers makes an empty one where files are absent
            raise CheckpointError(
                f"{checkpoint}: holds no tokenizer; save it there with save_pretrained"
            )

    def __call__(self, texts: Sequence[str], max_tokens: int) -> tuple[list[np.ndarray], list[int]]:
        """Token ids (n_tokens,) of int64 of each text, cut to `max_tokens`, and the lengths before the cut. An empty text has two."""
        if not texts:
            return [], []
        # cut in a second call, and only where needed: the count wants the full length
        full = self._tokenizer(list(texts), return_attention_mask=False, verbose=False)["input_ids"]
        lengths = [len(ids) for ids in full]
        if max(lengths) > max_tokens:
            full = self._tokenizer(
                list(texts), return_attention_mask=False, truncation=True, max_length=max_tokens
            )["input_ids"]
        return [np.asarray(ids, dtype=np.int64) for ids in full], lengths

    def with_context(
        self, texts: Sequence[str], before: Sequence[Sequence[str]], max_tokens: int
    ) -> tuple[list[np.ndarray], list[int]]:
        """Texts together with what was said before them: a text, then the turns before it, the latest first.

        Args:
            texts: what is to be classified.
            before: of each text the turns before it, in the order of the dialogue; may be empty.
            max_tokens: a longer pair is cut at its end, the earliest turns first; the text itself only where it is longer than they are.

        Returns:
            Of each text (n_tokens, 2) of int64: token id; segment, 0 for the text and its special tokens, 1 for what was said before.
            And the lengths before the cut.
        """
        separator = f" {self._tokenizer.sep_token} "
        found, lengths = [], []
        for text, turns in zip(texts, before, strict=True):
            pair = (text, separator.join(reversed(turns))) if turns else (text,)
            full = self._tokenizer(*pair, return_attention_mask=False, verbose=False)
            lengths.append(len(full["input_ids"]))
            if lengths[-1] > max_tokens:
                full = self._tokenizer(
                    *pair,
                    return_attention_mask=False,
                    truncation="longest_first",
                    max_length=max_tokens,
                )
            own = 1 + max(
                (place for place, part in enumerate(full.sequence_ids()) if part == 0), default=0
            )  # tokens up to its last one
            segments = (
                np.arange(len(full["input_ids"])) > own
            )  # the special token that ends it is its own
            found.append(
                np.stack(
                    [np.asarray(full["input_ids"], dtype=np.int64), segments.astype(np.int64)],
                    axis=1,
                )
            )
        return found, lengths
