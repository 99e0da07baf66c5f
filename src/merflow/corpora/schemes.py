"""Which split schemes each corpus has and what they ask of a system; importable in no time, for the Snakefile lays out jobs by it."""

from dataclasses import dataclass

from merflow.corpora.labels import MULTI_LABEL
from merflow.errors import CorpusError


@dataclass(frozen=True)
class Scheme:
    """A way to split a corpus.

    Attributes:
        folds: how many; they are counted from 0.
        dev: it has a dev part. Without one the last epoch is scored, and nothing else is chosen on it either; unless a protocol chooses
            on the test part by name.
        classes: how many classes are told apart (merflow.corpora.labels); None: all of the corpus.
        instances: one row per label of an utterance, which counts there as its only one: an utterance with several labels has several
            rows, of any part, and one without is out of scope.
    """

    folds: int = 1
    dev: bool = True
    classes: int | None = None
    instances: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """Those that each fold has."""
        return ("train", "dev", "test") if self.dev else ("train", "test")


#: Corpus -> its split schemes. merflow.corpora.splits makes them.
SCHEMES: dict[str, dict[str, Scheme]] = {
    "meld": {
        "official": Scheme(),
        "pooled": Scheme(dev=False, classes=6),
        "ten_folds": Scheme(folds=10, dev=False),
    },
    "iemocap": {
        "sessions": Scheme(folds=5),
        "session5": Scheme(),
        "ten_folds": Scheme(folds=10, dev=False),
    },
    "mosei": {"official": Scheme(), "instances": Scheme(dev=False, instances=True)},
    "ravdess": {"actors": Scheme(folds=5)},
}

#: Those of one's own corpora, of which each has one: ``given`` by its annotations, or ``speakers``, with as many folds as these allow.
OWN: dict[str, Scheme] = {"given": Scheme(), "speakers": Scheme(folds=5)}


def find(corpus: str, scheme: str) -> Scheme:
    """A split scheme by its name.

    Raises:
        CorpusError: the corpus has no such scheme.
    """
    known = SCHEMES.get(corpus, OWN)
    if scheme not in known:
        raise CorpusError(f"{corpus}: no split scheme {scheme!r}; it has {', '.join(known)}")
    return known[scheme]


def folds(corpus: str, scheme: str) -> int:
    """Number of folds of a split scheme; see `find`."""
    return find(corpus, scheme).folds


def multi_label(corpus: str, scheme: str) -> bool:
    """Whether an utterance may carry several classes at once, or none, as this scheme takes the corpus; see `find`."""
    return corpus in MULTI_LABEL and not find(corpus, scheme).instances
