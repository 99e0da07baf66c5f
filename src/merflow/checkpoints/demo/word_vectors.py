"""Word vectors of sentences like the demo's, in the formats of GloVe (.txt) and FastText (.vec).

From counts: positive pointwise mutual information within a window, and its singular vectors weighted by the root of the singular
values (Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix Factorization", sections 3.3 and 4.2). A few words have
no vector, as with the published files.
"""

import re
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from sklearn.decomposition import TruncatedSVD
from sklearn.neighbors import NearestNeighbors

from merflow.checkpoints.demo.material import sentences
from merflow.corpora.demo.chance import chance
from merflow.corpora.demo.ravdess import STATEMENTS
from merflow.corpora.demo.words import CUES
from merflow.progress import log
from merflow.store import write_text

SENTENCES, DIM = 6000, 50
TIMES = 60  # that each sentence of RAVDESS is counted
WINDOW = {"glove": 5, "fasttext": 2}  # words to either side
ABSENT = 0.05  # share of the words that have no vector

_WORD = re.compile(
    r"\w+?(?=n't\b)|n't\b|'\w+|\w+|[^\w\s]"
)  # contractions apart, as in the Penn Treebank


def make(name: str, folder: Path) -> None:
    """Save one text file, the most frequent words first; that of ``fasttext`` begins with the number of words and of dimensions."""
    texts = [_split(text) for text in [*sentences(SENTENCES), *list(STATEMENTS.values()) * TIMES]]
    words, counts = np.unique(np.concatenate(texts), return_counts=True)
    words = words[np.argsort(-counts, kind="stable")]
    vectors = _embed(texts, words, WINDOW[name])
    held = np.array(
        [chance("checkpoints", name, str(word), "absent").random() >= ABSENT for word in words]
    )
    words, vectors = words[held], vectors[held]
    right, by_chance = _neighbours(words, vectors)
    log.info(
        "demo %s: the nearest word to a cue shares its emotion: %.2f, by chance %.2f",
        name,
        right,
        by_chance,
    )
    log.info("demo %s: %d words, %d more have no vector", name, len(words), (~held).sum())
    rows = [
        f"{word} {' '.join(f'{value:.5f}' for value in vector)}\n"
        for word, vector in zip(words, vectors, strict=True)
    ]
    header, file = (f"{len(words)} {DIM}\n", "demo.vec") if name == "fasttext" else ("", "demo.txt")
    write_text(folder / file, header + "".join(rows))


def _split(text: str) -> list[str]:
    return _WORD.findall(text.replace("’", "'"))


def _embed(texts: list[list[str]], words: np.ndarray, window: int) -> np.ndarray:
    """(n_words, DIM) of `words`."""
    number = {word: at for at, word in enumerate(words)}
    together = np.zeros((len(words), len(words)))
    for text in texts:
        ids = [number[word] for word in text]
        for distance in range(1, window + 1):
            np.add.at(together, (ids[:-distance], ids[distance:]), 1.0)
    together += together.T
    expected = np.outer(together.sum(axis=1), together.sum(axis=0)) / together.sum()
    with np.errstate(divide="ignore"):
        information = np.maximum(np.log(together / expected), 0)
    decomposition = TruncatedSVD(DIM, algorithm="arpack", random_state=0)
    return decomposition.fit_transform(csr_array(information)) / np.sqrt(
        decomposition.singular_values_
    )


def _neighbours(words: np.ndarray, vectors: np.ndarray) -> tuple[float, float]:
    """How often words that only one emotion's cues have lie nearest to a word of the same emotion, and how often by chance."""
    emotions: dict[str, set[str]] = {}
    for emotion, cues in CUES.items():
        for word in {word for cue in cues for word in _split(cue)}:
            emotions.setdefault(word, set()).add(emotion)
    own = [at for at, word in enumerate(words) if len(emotions.get(str(word), ())) == 1]
    labels = np.array([next(iter(emotions[str(words[at])])) for at in own])
    nearest = (
        NearestNeighbors(n_neighbors=1, metric="cosine")
        .fit(vectors[own])
        .kneighbors(return_distance=False)[:, 0]
    )
    same = labels[:, None] == labels
    return float((labels[nearest] == labels).mean()), float(
        (same.sum() - len(own)) / (same.size - len(own))
    )
