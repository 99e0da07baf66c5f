"""Demo corpora: clips of drawn faces with synthetic speech, in the original layouts.

They pass through the same ``fetch`` and ``prepare`` as the official files, defects included. Voice,
face and words each reveal a part of the emotion. Dialogues and speakers have their own looks,
voices, topics and moods, so that a split which leaks them scores too high. Code and one seed give
the same bytes every time.
"""

import tempfile
from importlib import import_module
from pathlib import Path

from merflow.corpora.corpus import Source
from merflow.errors import CorpusError

#: Demo corpora and their modules; names, so that a change to one leaves the others' digests alone.
MAKERS = {name: f"merflow.corpora.demo.{name}" for name in ("meld", "iemocap", "mosei", "ravdess")}


def make(corpus: str, out: Path) -> list[Source]:
    """Build the distribution files of the demo of `corpus` in `out`.

    Args:
        corpus: meld, iemocap, mosei or ravdess.
        out: folder to write to; made if absent.

    Returns:
        One entry per file, with a file:// URL, its size and sha256.

    Raises:
        CorpusError: there is no demo of `corpus`.
        MediaError: speech or clips cannot be synthesised.
        StoreError: a file cannot be written.
    """
    if corpus not in MAKERS:
        raise CorpusError(f"{corpus}: no demo of this corpus; there is one of {', '.join(MAKERS)}")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        sources: list[Source] = import_module(MAKERS[corpus]).make(Path(scratch), out)
        return sources
