"""Corpora: one module each, and the steps ``fetch`` and ``prepare`` that are the same for all."""

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:  # pandas takes a second, and the Snakefile reads the registry at every start
    from merflow.corpora.corpus import CorpusModule

#: Name -> module; a new corpus is one line here and one module.
CORPORA = {
    "meld": "merflow.corpora.meld",
    "iemocap": "merflow.corpora.iemocap",
    "mosei": "merflow.corpora.mosei",
    "ravdess": "merflow.corpora.ravdess",
}


OWN = "merflow.corpora.own"  # module of every other name, which is a corpus of one's own clips


def module_of(name: str) -> str:
    """The module that reads a corpus."""
    return CORPORA.get(name, OWN)


def load(name: str) -> "CorpusModule":
    """The module of a corpus of CORPORA."""
    return cast("CorpusModule", import_module(CORPORA[name]))
