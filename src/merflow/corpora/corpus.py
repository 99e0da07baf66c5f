"""What a corpus module offers and what reading a corpus gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from merflow.artifacts import Defect


@dataclass(frozen=True)
class Source:
    """One file to download.

    Attributes:
        url: http(s), file, or ``hf://datasets/<repo>@<commit>/<file>`` (through huggingface_hub).
        size: bytes; None where the publisher gives none (the first download records it).
        sha256: hex digest; None likewise.
        unpack: an archive that is unpacked and then removed; archives inside it are unpacked too.
        needed: False for a file that only some modalities need.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    unpack: bool = False
    needed: bool = True

    def identity(self) -> dict[str, Any]:
        """Fields that decide what is downloaded, for a digest that no other field changes."""
        return {
            "url": self.url,
            "size": self.size,
            "sha256": self.sha256,
            "unpack": self.unpack,
        }

    @property
    def name(self) -> str:
        """File name at the end of the URL, without a query."""
        return self.url.split("?")[0].rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Corpus:
    """A corpus as read: utterances (columns of artifacts.UTTERANCES) and the defects found on the way."""

    utterances: pd.DataFrame
    defects: list[Defect] = field(default_factory=list)


class CorpusModule(Protocol):
    """The names that every module of ``merflow.registry.CORPORA`` defines (tests/test_contracts.py)."""

    TITLE: str
    LICENCE: str
    HOW_TO_GET: (
        str  #: what a user must do for ``source: official``; names the form where one is needed
    )
    SOURCES: tuple[Source, ...]  #: empty: no open download exists
    EXPECTED: Mapping[str, Mapping[str, int]]  #: official split (or session) -> label -> utterances
    SCHEMES: tuple[str, ...]  #: split schemes of merflow.corpora.splits that the corpus has

    def read_utterances(self, root: Path) -> Corpus:
        """Read the corpus unpacked at `root`.

        Raises:
            CorpusError: a file that the layout needs is missing or malformed; one line naming file and row.
        """
        ...
