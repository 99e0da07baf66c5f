"""Text that people wrote: bytes as UTF-8, and marks that passed through a wrong encoding.

Windows' cp1252 has quotation marks, dashes and an ellipsis where Latin-1 has control characters
(U+0080 to U+009F). A text that was decoded as Latin-1 on its way has these controls, which no
transcript means. They become the marks again. Every other character stays: non-breaking and
zero-width spaces, soft hyphens, private use.
"""

import codecs
import io
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from merflow.errors import CorpusError
from merflow.pointers import pointer

if TYPE_CHECKING:
    from merflow.artifacts import Defect

TRANSCRIPTS = (".txt", ".TXT")  # endings of a file beside a clip

#: Control character -> mark of cp1252; five controls have none, and stay.
MARKS = {
    code: mark for code in range(0x80, 0xA0) if (mark := bytes([code]).decode("cp1252", "ignore"))
}
_BLANKS = r"[^\S\x85]+"  # U+0085 is blank to Python, and an ellipsis of cp1252


def decode(data: bytes, name: str) -> str:
    """Decode what a person wrote: UTF-8, or UTF-16 if the file begins with its mark.

    The mark at the start is not part of the text.

    Args:
        data: content of the file.
        name: its path, for messages.

    Raises:
        CorpusError: another encoding, which is never guessed.
    """
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        encoding, byte = ("UTF-16", "") if utf16 else ("UTF-8", f" {data[error.start]:#04x}")
        raise CorpusError(
            f"{name}: not {encoding} (byte{byte} at {error.start}); save it as UTF-8"
        ) from error
    if "\0" in text:
        raise CorpusError(f"{name}: not a text (NUL at {text.index(chr(0))}); save it as UTF-8")
    return text


def refuse_pointer(path: Path) -> None:
    """Refuse a file that stands for another one.

    Raises:
        CorpusError: `path` is a pointer of Git LFS or git-annex.
    """
    if reason := pointer(path):
        raise CorpusError(f"{path}: {reason}")


def beside(clip: Path) -> Path | None:
    """Find the transcript beside `clip`."""
    return next(filter(os.path.isfile, map(clip.with_suffix, TRANSCRIPTS)), None)


def read_beside(clip: Path) -> str:
    """Read the .txt file beside `clip` as one line; empty if there is none.

    Raises:
        CorpusError: it cannot be read, or has another encoding.
    """
    path = beside(clip)
    if path is None:
        return ""
    refuse_pointer(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror})") from error
    return stripped(re.sub(_BLANKS, " ", decode(data, str(path))))


def decode_published(data: bytes) -> tuple[str, bool]:
    """Decode a publisher's file, whose mended text is better than none.

    Returns:
        Text, and True if it is UTF-8; else it was read as cp1252.
    """
    try:
        return data.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        # five bytes have no character in cp1252, so that its decoder fails
        return mended(data.decode("latin-1")), False


def lines(text: str) -> Iterator[str]:
    """Split at line ends only; `str.splitlines` splits at controls of `MARKS` too."""
    return (line.rstrip("\n") for line in io.StringIO(text, newline=None))


def stripped(text: str) -> str:
    """Strip blanks, but no control that `mended` replaces."""
    return re.sub(f"^{_BLANKS}|{_BLANKS}$", "", text)


def mended(text: str) -> str:
    """Replace the control characters of `MARKS` by their marks."""
    return text if text.isascii() else text.translate(MARKS)


def mended_defect(utterance_id: str | None, text: str | None) -> "Defect | None":
    """Describe what `mended` does to a text; None: nothing."""
    from merflow.artifacts import Defect  # heavy for the Snakefile

    controls = Counter(character for character in text or "" if ord(character) in MARKS)
    if not controls:
        return None
    names = (f"U+{ord(key):04X} {count}" for key, count in sorted(controls.items()))
    action = f"read as {' '.join(MARKS[ord(key)] for key in sorted(controls))}"
    return Defect(utterance_id, "marks of cp1252", ", ".join(names), action, "text")
