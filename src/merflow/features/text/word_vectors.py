"""Pre-trained word vectors: GloVe (class_weight_lstm section 3), FastText (joint_cnn section 3.1).

The papers do not say how a text is split into words. Here contractions are split as in the Penn
Treebank (do n't, it 's). A run of letters and digits is a word, as are "..." and every other
punctuation mark. Typographic apostrophes become plain ones.

A word is looked up as written, then in lower case, then composed of subwords where the file has
them (FastText's .bin). Otherwise it is a row of zeros.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from merflow.features.extractor import Flagged
from merflow.features.sources import TextSource
from merflow.features.text.vector_files import read_vectors
from merflow.params import WordVectorParams

SOURCE = TextSource
PARAMS = WordVectorParams
LIBRARIES = ("numpy",)
USES_GPU = False

NAMED = 5  # unknown words that a defect names

_WORD = re.compile(r"\w+?(?=n't\b)|n't\b|'(?:s|m|d|re|ve|ll)\b|\w+|\.\.\.|[^\w\s]", re.IGNORECASE)
_APOSTROPHES = str.maketrans("‘’", "''")


def split(text: str) -> list[str]:
    """Split `text` into words and punctuation marks."""
    return _WORD.findall(text.translate(_APOSTROPHES))


def extract(
    blocks: Iterable[Sequence[str]], params: WordVectorParams, checkpoint: Path
) -> Iterator[np.ndarray | Flagged]:
    """Yield (n_words, dim) of each text; one row of zeros for a text without words.

    All texts are read first, so that the file of vectors is read once.

    Args:
        blocks: texts.
        params: length of a vector, and whether to lower-case the texts.
        checkpoint: folder with one file of word vectors (merflow.features.text.vector_files).

    Yields:
        float32, in the order of the texts; flagged if a word is unknown or the text has no words.

    Raises:
        CheckpointError: the file is absent, broken, or has vectors of another length.
    """
    texts = [
        split(text.lower() if params.lowercase else text) for block in blocks for text in block
    ]
    vectors = read_vectors(checkpoint, {word for words in texts for word in words}, params.dim)
    zeros = np.zeros(params.dim, np.float32)
    for words in texts:
        rows = np.stack([vectors.get(word, zeros) for word in words or [""]])
        unknown = [word for word in words if word not in vectors]
        if not words:
            yield Flagged(rows, "no words", "empty text", "one row of zeros")
        elif unknown:
            names = ", ".join(list(dict.fromkeys(unknown))[:NAMED])
            detail = f"{len(unknown)} of {len(words)}: {names}"
            yield Flagged(rows, "unknown words", detail, "zero vectors")
        else:
            yield rows


def columns(params: WordVectorParams, checkpoint: Path) -> None:
    """Return None: dimensions of a word vector have no names."""
