"""Interface of a corpus module, and the result of reading a corpus."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # the Snakefile reads `Source` at every start, and pandas takes half a second
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
    """A corpus as read: utterances (columns of artifacts.UTTERANCES) and defects."""

    utterances: "pd.DataFrame"
    defects: "list[Defect]" = field(default_factory=list)


class CorpusModule(Protocol):
    """The names that each module of ``merflow.registry.CORPORA`` defines.

    Attributes:
        TITLE: full name.
        LICENCE: conditions of use.
        HOW_TO_GET: steps to take for ``source: official``; names the form where there is one.
        SOURCES: open downloads; empty if there are none.
        EXPECTED: official split (or session) -> label -> number of utterances.
    """

    TITLE: str
    LICENCE: str
    HOW_TO_GET: str
    SOURCES: tuple[Source, ...]
    EXPECTED: Mapping[str, Mapping[str, int]]

    def read_utterances(self, root: Path) -> Corpus:
        """Read the corpus unpacked at `root`.

        Raises:
            CorpusError: a file that the layout needs is missing or malformed; names file and row.
        """
        ...
