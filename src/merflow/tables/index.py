"""results/tables/index.json: what the step ``tables`` wrote, for the step ``report``.

Keys:
  missing    expected results that have no scores: paper, system, corpus, protocol, message
  overall    names of the tables about all papers, in overall/
  papers     paper -> names of its tables about all its corpora, in <paper>/
  sections   of each paper on each corpus, in order. Keys of a section: paper, corpus, headlines;
             demo: ours are of a demo corpus;
             extra: the paper prints nothing on the corpus;
             tables: names in <paper>/
Of a table the folder holds <name>.json (merflow.tables.rendered: title, anchor, cells, and the runs
behind each row), and its other forms.
"""

from pathlib import Path
from typing import Self

from merflow.documents import Document, read_document
from merflow.evaluation.scored import MissingResult
from merflow.paths import TABLE_INDEX


class Entry(Document):
    """Entry of a paper on a corpus.

    Attributes:
        paper, corpus: keys.
        demo: our scores are of a demo corpus.
        extra: the paper prints nothing on the corpus.
        headlines: sentences.
        tables: names, in order.
    """

    paper: str
    corpus: str
    demo: bool
    extra: bool
    headlines: tuple[str, ...]
    tables: tuple[str, ...]


class Index(Document):
    """All tables.

    Attributes:
        missing: expected results that have no scores.
        overall: names of the tables about all papers, in order.
        papers: names of the tables about a paper on all its corpora, by paper.
        sections: each paper on each corpus, in order.
    """

    missing: tuple[MissingResult, ...]
    overall: tuple[str, ...]
    papers: dict[str, tuple[str, ...]]
    sections: tuple[Entry, ...]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the index of results/tables.

        Raises:
            StoreError: the file is absent, or not of this format.
        """
        path = folder / TABLE_INDEX
        advice = f"delete {folder} and build it anew with `snakemake --cores 2 -- {path}`"
        return read_document(path, cls, advice)

    @property
    def text(self) -> str:
        """Content of index.json."""
        return self.model_dump_json(indent=1) + "\n"
