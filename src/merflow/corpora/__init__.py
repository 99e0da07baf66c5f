"""Corpora: one module each, and the steps ``fetch`` and ``prepare``, which all share."""

from importlib import import_module
from typing import TYPE_CHECKING, cast

from merflow.registry import CORPORA

if TYPE_CHECKING:  # pandas takes a second, and the Snakefile reads the registry at every start
    from merflow.corpora.corpus import CorpusModule


def load(name: str) -> "CorpusModule":
    """Import the module of a published corpus."""
    return cast("CorpusModule", import_module(CORPORA[name]))
