"""Texts as the token ids that a checkpoint was trained on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer
from transformers.utils import logging

from merflow.errors import CheckpointError, reason

# "Loading weights" takes a second, and a bar does not belong in a log file
logging.disable_progress_bar()


class Tokenizer:
    """The tokenizer of a checkpoint.

    Each text gets the special tokens of the model: [CLS] and [SEP], or <s> and </s>.
    """

    def __init__(self, checkpoint: Path):
        """Load the tokenizer.

        Args:
            checkpoint: folder of the checkpoint.

        Raises:
            CheckpointError: the checkpoint has no tokenizer.
        """
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(checkpoint, local_files_only=True)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{checkpoint}: holds no tokenizer that can be loaded ({reason(error)})"
            ) from error
        # transformers makes an empty tokenizer where its files are absent
        if len(self._tokenizer) <= len(self._tokenizer.all_special_tokens):
            raise CheckpointError(
                f"{checkpoint}: holds no tokenizer; save it there with save_pretrained"
            )

    def __call__(self, texts: Sequence[str], max_tokens: int) -> tuple[list[np.ndarray], list[int]]:
        """Tokenize texts.

        Args:
            texts: an empty text has two tokens.
            max_tokens: longer texts are cut.

        Returns:
            Token ids (n_tokens,) of int64 of each text, and the lengths before the cut.
        """
        if not texts:
            return [], []
        tokens = self._tokenizer(list(texts), return_attention_mask=False, verbose=False)
        lengths = [len(ids) for ids in tokens["input_ids"]]
        # the lengths need all tokens, so cutting takes a second call, made only where needed
        if max(lengths) > max_tokens:
            tokens = self._tokenizer(
                list(texts), return_attention_mask=False, truncation=True, max_length=max_tokens
            )
        return [np.asarray(ids, dtype=np.int64) for ids in tokens["input_ids"]], lengths

    def with_context(
        self, texts: Sequence[str], before: Sequence[Sequence[str]], max_tokens: int
    ) -> tuple[list[np.ndarray], list[int]]:
        """Tokenize texts together with the turns before them: the text first, then the latest turn.

        Args:
            texts: texts to classify.
            before: turns before each text, in the order of the dialogue; may be empty.
            max_tokens: a longer pair is cut at its end, the earliest turns first. The text itself
                is cut only if it is longer than the turns.

        Returns:
            For each text (n_tokens, 2) of int64: token id and segment. Segment 0 is the text with
            its special tokens, segment 1 the turns before it. Then the lengths before the cut.
        """
        separator = f" {self._tokenizer.sep_token} "
        pairs, lengths = [], []
        for text, turns in zip(texts, before, strict=True):
            pair = (text, separator.join(reversed(turns))) if turns else (text,)
            tokens = self._tokenizer(*pair, return_attention_mask=False, verbose=False)
            lengths.append(len(tokens["input_ids"]))
            if lengths[-1] > max_tokens:
                tokens = self._tokenizer(
                    *pair,
                    return_attention_mask=False,
                    truncation="longest_first",
                    max_length=max_tokens,
                )
            ids = np.asarray(tokens["input_ids"], dtype=np.int64)
            text_places = [i for i, number in enumerate(tokens.sequence_ids()) if number == 0]
            # the special token after the text belongs to it
            text_end = 1 + max(text_places, default=0)
            segments = (np.arange(len(ids)) > text_end).astype(np.int64)
            pairs.append(np.stack([ids, segments], axis=1))
        return pairs, lengths
