"""Word vectors of sentences like the demo's, as GloVe's .txt or FastText's .vec.

They factorise positive pointwise mutual information within a window: singular vectors, weighted
with the root of the singular values. Source: Levy and Goldberg 2014, "Neural Word Embedding as
Implicit Matrix Factorization", sections 3.3 and 4.2. As in the published files, a few words have no
vector.
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
TIMES = 60  # count of each sentence of RAVDESS
WINDOW = {"glove": 5, "fasttext": 2}  # words on either side
ABSENT = 0.05  # share of the words without a vector

#: Contractions are split as in the Penn Treebank.
_WORD = re.compile(r"\w+?(?=n't\b)|n't\b|'\w+|\w+|[^\w\s]")


def make(name: str, folder: Path) -> None:
    """Save one text file, the most frequent words first.

    The file of ``fasttext`` begins with the numbers of words and dimensions.
    """
    texts = [_split(text) for text in [*sentences(SENTENCES), *list(STATEMENTS.values()) * TIMES]]
    words, counts = np.unique(np.concatenate(texts), return_counts=True)
    words = words[np.argsort(-counts, kind="stable")]
    vectors = _embed(texts, words, WINDOW[name])
    draws = [chance("checkpoints", name, str(word), "absent").random() for word in words]
    kept = np.array(draws) >= ABSENT
    words, vectors = words[kept], vectors[kept]
    share, share_by_chance = _neighbours_of_same_emotion(words, vectors)
    log.info(
        "demo %s: the nearest word to a cue shares its emotion: %.2f, by chance %.2f",
        name,
        share,
        share_by_chance,
    )
    log.info("demo %s: %d words, %d more have no vector", name, len(words), (~kept).sum())
    lines = [
        f"{word} {' '.join(f'{value:.5f}' for value in vector)}\n"
        for word, vector in zip(words, vectors, strict=True)
    ]
    header, file = (f"{len(words)} {DIM}\n", "demo.vec") if name == "fasttext" else ("", "demo.txt")
    write_text(folder / file, header + "".join(lines))


def _split(text: str) -> list[str]:
    return _WORD.findall(text.replace("’", "'"))


def _embed(texts: list[list[str]], words: np.ndarray, window: int) -> np.ndarray:
    """Compute the vectors (n_words, DIM) of `words`."""
    numbers = {word: number for number, word in enumerate(words)}
    counts = np.zeros((len(words), len(words)))
    for text in texts:
        ids = [numbers[word] for word in text]
        for distance in range(1, window + 1):
            np.add.at(counts, (ids[:-distance], ids[distance:]), 1.0)
    counts += counts.T
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    with np.errstate(divide="ignore"):
        information = np.maximum(np.log(counts / expected), 0)
    decomposition = TruncatedSVD(DIM, algorithm="arpack", random_state=0)
    vectors = decomposition.fit_transform(csr_array(information))
    return vectors / np.sqrt(decomposition.singular_values_)


def _neighbours_of_same_emotion(words: np.ndarray, vectors: np.ndarray) -> tuple[float, float]:
    """Compute the share of cue words whose nearest cue word has the same emotion.

    Only words in the cues of a single emotion count.

    Returns:
        The share, and its expectation by chance.
    """
    emotions: dict[str, set[str]] = {}
    for emotion, cues in CUES.items():
        for word in {word for cue in cues for word in _split(cue)}:
            emotions.setdefault(word, set()).add(emotion)
    cue_numbers = [
        number for number, word in enumerate(words) if len(emotions.get(str(word), ())) == 1
    ]
    labels = np.array([next(iter(emotions[str(words[number])])) for number in cue_numbers])
    search = NearestNeighbors(n_neighbors=1, metric="cosine").fit(vectors[cue_numbers])
    nearest = search.kneighbors(return_distance=False)[:, 0]
    same = labels[:, None] == labels
    by_chance = (same.sum() - len(labels)) / (same.size - len(labels))
    return float((labels[nearest] == labels).mean()), float(by_chance)
