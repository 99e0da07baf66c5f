"""Which split schemes each corpus has, and their number of folds; importable in no time, for the Snakefile lays out jobs by it."""

from merflow.errors import CorpusError

#: Corpus -> split scheme -> number of folds; a corpus' SCHEMES are the keys.
FOLDS: dict[str, dict[str, int]] = {
    "meld": {"official": 1},
    "iemocap": {"sessions": 5, "session5": 1},
    "mosei": {"official": 1},
    "ravdess": {"actors": 5},
}


def folds(corpus: str, scheme: str) -> int:
    """Number of folds; they are counted from 0.

    Raises:
        CorpusError: the corpus has no such scheme.
    """
    known = FOLDS.get(corpus, {})
    if scheme not in known:
        raise CorpusError(f"{corpus}: no split scheme {scheme!r}; it has {', '.join(known) or 'none'}")
    return known[scheme]
