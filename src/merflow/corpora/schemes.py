"""Split schemes of each corpus, and their demands on a system.

Importing takes no time, because the Snakefile lays out jobs by this module.
"""

from dataclasses import dataclass

from merflow.corpora.labels import MULTI_LABEL
from merflow.errors import CorpusError


@dataclass(frozen=True)
class Scheme:
    """A way to split a corpus.

    Attributes:
        folds: number of folds, counted from 0.
        dev: the scheme has a dev split. Without it the last epoch is scored and nothing is
            selected, unless a protocol names the test split for selection.
        classes: number of classes (merflow.corpora.labels); None: all of the corpus.
        instances: one row per label of an utterance, with that label as its only one. The rows of
            a multi-label utterance may be in different splits. One without label is out of scope.
    """

    folds: int = 1
    dev: bool = True
    classes: int | None = None
    instances: bool = False

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits of each fold."""
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

#: Schemes of a custom corpus, which has one of them: ``given`` by its annotations, or
#: ``speakers``, with fewer folds where there are fewer speakers.
CUSTOM: dict[str, Scheme] = {"given": Scheme(), "speakers": Scheme(folds=5)}


def find(corpus: str, scheme: str) -> Scheme:
    """Find a split scheme by its name.

    Raises:
        CorpusError: the corpus has no such scheme.
    """
    schemes = SCHEMES.get(corpus, CUSTOM)
    if scheme not in schemes:
        raise CorpusError(f"{corpus}: no split scheme {scheme!r}; it has {', '.join(schemes)}")
    return schemes[scheme]


def folds(corpus: str, scheme: str) -> int:
    """Number of folds of a split scheme; see `find`."""
    return find(corpus, scheme).folds


def multi_label(corpus: str, scheme: str) -> bool:
    """Tell whether labels are multi-label under this scheme; see `find`."""
    return corpus in MULTI_LABEL and not find(corpus, scheme).instances
