"""Split schemes of each corpus, and their demands on a system.

Importing takes no time, because the Snakefile lays out jobs by this module.
"""

from merflow.corpora.catalogue import CATALOGUE, Scheme
from merflow.corpora.labels import MULTI_LABEL
from merflow.errors import CorpusError

#: Schemes of a custom corpus, which has one of them: ``given`` by its annotations, or folds
#: (merflow.corpora.units), which are fewer where there are fewer units.
CUSTOM: dict[str, Scheme] = {
    "given": Scheme(),
    "speakers": Scheme(folds=5),
    "dialogues": Scheme(folds=5),
}


def find(corpus: str, scheme: str) -> Scheme:
    """Find a split scheme by its name.

    Raises:
        CorpusError: the corpus has no such scheme.
    """
    schemes = CATALOGUE[corpus].schemes if corpus in CATALOGUE else CUSTOM
    if scheme not in schemes:
        raise CorpusError(f"{corpus}: no split scheme {scheme!r}; it has {', '.join(schemes)}")
    return schemes[scheme]


def folds(corpus: str, scheme: str) -> int:
    """Number of folds of a split scheme; see `find`."""
    return find(corpus, scheme).folds


def multi_label(corpus: str, scheme: str) -> bool:
    """Tell whether labels are multi-label under this scheme; see `find`."""
    return corpus in MULTI_LABEL and not find(corpus, scheme).instances
