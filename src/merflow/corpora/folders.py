"""Files in a folder: clips, files that a corpus names, and the reasons against others."""

import stat
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from merflow.artifacts import Defect
from merflow.corpora.file_names import look_alikes, misnamed, mode_of
from merflow.corpora.transcripts import beside
from merflow.display import printable
from merflow.media.probe import ENDINGS
from merflow.paths import SOURCE
from merflow.pointers import pointer

NAMED = 5  # files or endings that a message lists
ABOVE = "a link to a folder above itself"
NEITHER = "neither a file nor a folder (a broken link?)"
OTHER_ENDING = "no media ending"


def walk(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[tuple[Path, str | None]]:
    """Yield the files below `folder`, links followed, in a fixed order.

    Yields:
        Path, and None or the reason why it is not a file that can be read.
    """
    real = folder.resolve()
    if real in above:
        yield folder, ABOVE
        return
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        yield folder, f"a folder that cannot be read ({error.strerror})"
        return
    for path in paths:
        mode = mode_of(path)
        if stat.S_ISDIR(mode):
            yield from walk(path, above | {real})
        else:
            yield path, None if stat.S_ISREG(mode) else pointer(path) or NEITHER


@dataclass(frozen=True)
class Listing:
    """Clips below a folder.

    Attributes:
        folder: that was listed.
        clips: sorted.
        misnamed: clip that no table can name -> reason.
        passed_over: reason -> files that are not clips.
    """

    folder: Path
    clips: list[Path] = field(default_factory=list)
    misnamed: dict[Path, str] = field(default_factory=dict)
    passed_over: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))

    @property
    def summary(self) -> str:
        """Number of files that are passed over, with the reasons; empty if there are none."""
        n_files = sum(map(len, self.passed_over.values()))
        reasons = "; ".join(_counted(*group) for group in sorted(self.passed_over.items()))
        return f"passed over: {n_files} ({reasons})" if n_files else ""

    @property
    def messages(self) -> list[str]:
        """Lines that a user should see about the names of clips and about other files."""
        alike = look_alikes(path.relative_to(self.folder).as_posix() for path in self.clips)
        return [f"{self.folder}: {message}" for message in (self.summary, alike) if message]


def _counted(reason: str, paths: Sequence[Path]) -> str:
    names = [path.name for path in paths]
    if reason == OTHER_ENDING:
        names = sorted({path.suffix or path.name for path in paths})
    more = ", ..." if len(names) > NAMED else ""
    return f"{len(paths)} {reason}: {', '.join(map(printable, names[:NAMED]))}{more}"


def list_clips(folder: Path) -> Listing:
    """List the clips below `folder`, links followed; a file that has several names once.

    A transcript beside a clip (merflow.corpora.transcripts) is not passed over.
    """
    listing, real_paths = Listing(folder), set[Path]()
    for path, fault in walk(folder):
        if path == folder / SOURCE:  # of a copy of the folder
            continue
        if reason := fault or _not_a_clip(path, folder, real_paths):
            listing.passed_over[reason].append(path)
        elif reason := misnamed(path.relative_to(folder)):
            listing.misnamed[path] = reason
        else:
            listing.clips.append(path)
            real_paths.add(path.resolve())
    texts = {beside(clip) for clip in listing.clips}
    others = [path for path in listing.passed_over.pop(OTHER_ENDING, []) if path not in texts]
    if others:
        listing.passed_over[OTHER_ENDING] = others
    return listing


def _not_a_clip(path: Path, folder: Path, listed: Collection[Path]) -> str | None:
    if path.name.startswith("._"):
        return "resource fork of a Mac"
    if any(name.startswith(".") for name in path.relative_to(folder).parts):
        return "hidden file"
    if path.suffix.lower() not in ENDINGS:
        return OTHER_ENDING
    if not path.stat().st_size:
        return "empty file"
    return "link to a listed clip" if path.resolve() in listed else None


def others(root: Path, named: Collection[Path]) -> list[Defect]:
    """Count the files of a published corpus that no annotation names and no reader knows.

    Args:
        root: of the corpus.
        named: files that are used, or counted already.

    Returns:
        One defect with their endings, or none.
    """
    files = [path for path, _ in walk(root) if path not in named and path != root / SOURCE]
    if not files:
        return []
    endings = Counter(printable(path.suffix.lower()) or "no ending" for path in files)
    listed = ", ".join(f"{ending} {count}" for ending, count in endings.most_common(NAMED))
    more = ", ..." if len(endings) > NAMED else ""
    first = printable(files[0].relative_to(root).as_posix())
    detail = f"{len(files)} files ({listed}{more}); the first is {first}"
    return [Defect(None, "other files", detail, "not used")]
