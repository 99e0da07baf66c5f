"""Pre-trained vectors of the words of a text: GloVe (class_weight_lstm section 3), FastText (joint_cnn section 3.1).

The papers do not say how a text becomes words. Ours: contractions are split as in the Penn Treebank (do n't, it 's), a run of
letters and digits is a word, "..." and every other mark is one as well; typographic apostrophes are plain ones. A word is looked
up as written, then in lower case, then made of subwords where the file has them (FastText's .bin); else it is a row of zeros.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from merflow.features.extractor import Flagged
from merflow.features.sources import Texts
from merflow.features.text.vector_files import read_vectors
from merflow.params import WordVectorParams

SOURCE = Texts
PARAMS = WordVectorParams
LIBRARIES = ("numpy",)
USES_GPU = False

NAMED = 5  # unknown words that a defect names

_WORD = re.compile(r"\w+?(?=n't\b)|n't\b|'(?:s|m|d|re|ve|ll)\b|\w+|\.\.\.|[^\w\s]", re.IGNORECASE)
_APOSTROPHES = str.maketrans("‘’", "''")


def split(text: str) -> list[str]:
    """Words and marks of `text`, in order."""
    return _WORD.findall(text.translate(_APOSTROPHES))


def extract(
    blocks: Iterable[Sequence[str]], params: WordVectorParams, checkpoint: Path
) -> Iterator[np.ndarray | Flagged]:
    """(n_words, dim) of each text; one row of zeros for a text without words.

    All texts are read first: the file of vectors is gone through once, for their words.

    Args:
        blocks: texts.
        params: length of a vector, whether to lower-case the texts.
        checkpoint: folder with one file of word vectors (merflow.features.text.vector_files).

    Yields:
        float32, in the order of the texts; flagged where a word is unknown or there is none.

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
        if not words:
            yield Flagged(rows, "no words", "empty text", "one row of zeros")
        elif unknown := [word for word in words if word not in vectors]:
            named = ", ".join(list(dict.fromkeys(unknown))[:NAMED])
            yield Flagged(
                rows, "unknown words", f"{len(unknown)} of {len(words)}: {named}", "zero vectors"
            )
        else:
            yield rows


def columns(params: WordVectorParams, checkpoint: Path) -> None:
    """Dimensions of a word vector have no names."""
