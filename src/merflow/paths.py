"""Path grammar of artifacts.

It has names of files, patterns of paths, and the inputs of a step by name.

A pattern is the path of an artifact in a checkout, as DVC tracks it: a file, or a folder with a
marker file. Names in braces stand for a corpus, a system and the like, and `str.format` fills
them in: ``RAW.format(corpus="meld")``. The table is in docs/architecture.md.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from merflow.errors import ParamsError

# Files of artifacts. A marker is written last and stands for its folder in Snakemake.
SOURCE = "SOURCE.json"  # marker of a raw corpus and of a checkpoint: origin and digests
UTTERANCES = "utterances.parquet"
CLIPS = "clips.parquet"
SPLITS = "splits.parquet"
DEFECTS = "defects.csv"  # of a corpus, and of its media
INDEX = "INDEX.json"  # marker of a decoded medium
DECODED = "DONE.json"  # marker of a shard of decoded media
PREDICTIONS = "predictions.parquet"  # marker of a result, and of a single run
RECORD = "run.json"  # of a result or a single run (merflow.records)
SCORES_INFO = "scores.json"  # marker of the scores: how they were computed, missing results
TABLE_INDEX = "index.json"  # marker of the tables
TABLE_PAGE = "tables.html"  # all tables of a paper
SHEET_INDEX = "sheet.json"  # marker of a frame sheet
REPORT_INDEX = "index.html"  # marker of the report, and its summary

# Folders of a result, with a file for each run.
WEIGHTS = "weights"
HIDDEN = "hidden"

FRAMES = "frames_"  # beginning of the names of media that are samplings of frames
AUDIO = "audio"  # medium
WAVEFORM = "waveform"  # input of systems that take the medium AUDIO itself, not a feature of it

# Patterns of artifacts.
RAW = "data/raw/{corpus}"
CORPUS = "data/corpora/{corpus}"
CHECKPOINT = "data/checkpoints/{checkpoint}"
MEDIUM = "data/media/{corpus}/{medium}"
FEATURE = "data/features/{corpus}/{feature}.parquet"
RESULT = "results/{paper}/{system}/{corpus}-{protocol}"
SCORES = "results/scores"
TABLES = "results/tables"
SHEET = "results/sheets/{paper}/{corpus}"
REPORT = "results/report"

DIGESTS = "data/digests"  # length and sha256 of downloads, recorded on first use; in git
REPORTED = "reported"  # numbers that the papers print; in git


def medium_of(name: str) -> str | None:
    """Medium that an input of a system is itself; None: the input is a feature."""
    if name == WAVEFORM:
        return AUDIO
    return name if name.startswith(FRAMES) else None


def names(pattern: str, path: Path | str) -> dict[str, str] | None:
    """Read the names in a path that ends as a pattern says.

    None if it ends otherwise.
    """
    match = _regex(pattern).search(str(path))
    return match.groupdict() if match else None


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    """Regular expression of a pattern; no name has a slash or a hyphen in it."""
    texts_and_names = re.split(r"{(\w+)}", pattern)
    expression = "".join(
        f"(?P<{part}>[^/-]+)" if number % 2 else re.escape(part)
        for number, part in enumerate(texts_and_names)
    )
    return re.compile(f"(^|/){expression}$")


def of_user(path: Path | str) -> Path:
    """Path that a user wrote; ``~`` is the home folder.

    Raises:
        ParamsError: ``~`` names nobody's folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ParamsError(f"{path}: the folder of ~ is not known; write the whole path") from error


def result_name(folder: Path) -> str:
    """Path of a result, as RESULT says, from its folder in any place."""
    return "/".join((*Path(RESULT).parts[:1], *folder.parts[-3:]))


def weights(folder: Path, fold: int, seed: int) -> Path:
    """Weights of the network of a run, in the folder of its result."""
    return folder / WEIGHTS / f"{fold}-{seed}.safetensors"


def transformers(folder: Path, fold: int, seed: int) -> Path:
    """Parameters of the transformers fitted in a run, in the folder of its result."""
    return folder / WEIGHTS / f"{fold}-{seed}.inputs.safetensors"


def hidden(folder: Path, fold: int, seed: int) -> Path:
    """Feature store of the hidden activations of a run, in the folder of its result."""
    return folder / HIDDEN / f"{fold}-{seed}.parquet"


def undeclared(pattern: str, **given: str) -> ParamsError:
    """Make the error of a step whose stage does not name what it needs.

    Args:
        pattern: of the artifact.
        given: names in it that are certain; others appear as ``<corpus>`` and the like.
    """
    missing = re.sub(r"{(\w+)}", lambda name: given.get(name[1], f"<{name[1]}>"), pattern)
    return ParamsError(f"dvc.yaml: this stage has no {missing}; add it to its dependencies")


class Declared(dict[str, Path]):
    """Inputs of one kind by name; an absent name is the error `undeclared`."""

    def __init__(self, pattern: str, name: str, paths: Mapping[str, Path]) -> None:
        """Collect inputs.

        Args:
            pattern: of their paths.
            name: the name in the pattern that is the key.
            paths: by that name.
        """
        super().__init__(paths)
        self._pattern, self._name = pattern, name

    def __missing__(self, key: str) -> Path:
        raise undeclared(self._pattern, **{self._name: key})


@dataclass(frozen=True)
class Inputs:
    """Inputs of a step: the files that its stage in dvc.yaml names, by kind.

    Folders stand for their markers. What the stage does not name is the error `undeclared`.

    Attributes:
        files: as Snakemake hands them over.
    """

    files: tuple[Path, ...]

    @classmethod
    def of(cls, files: Iterable[Path]) -> "Inputs":
        """Sort files by what they are."""
        return cls(tuple(files))

    @property
    def raw(self) -> Path:
        """Folder of the corpus as distributed."""
        return self._only(RAW, self._sources(raw=True))

    @property
    def corpus(self) -> Path:
        """Folder of the only prepared corpus."""
        return self.utterances.parent

    @property
    def utterances(self) -> Path:
        """Table of utterances of the only corpus."""
        return self._only(f"{CORPUS}/{UTTERANCES}", self._named(UTTERANCES))

    @property
    def clips(self) -> Path:
        """Table of clips of the only corpus."""
        return self._only(f"{CORPUS}/{CLIPS}", self._named(CLIPS))

    @property
    def splits(self) -> Path:
        """Table of splits of the only corpus."""
        return self._only(f"{CORPUS}/{SPLITS}", self._named(SPLITS))

    @property
    def corpora(self) -> list[Path]:
        """Folders of prepared corpora."""
        return self._folders(UTTERANCES)

    @property
    def checkpoint(self) -> Path:
        """Folder of the only pre-trained model or file of word vectors."""
        return self._only(CHECKPOINT, self._sources(raw=False))

    @property
    def has_checkpoint(self) -> bool:
        """True if the stage names a checkpoint."""
        return bool(self._sources(raw=False))

    @property
    def media(self) -> Declared:
        """Folders of decoded media: audio, and samplings of frames."""
        return Declared(MEDIUM, "medium", {path.name: path for path in self._folders(INDEX)})

    @property
    def frames(self) -> Path:
        """Folder of the only sampling of frames."""
        samplings = [path for path in self._folders(INDEX) if path.name.startswith(FRAMES)]
        return self._only(MEDIUM, samplings, medium=f"{FRAMES}<sampling>")

    @property
    def features(self) -> Declared:
        """Feature stores by name."""
        stores = {path.stem: path for path in self.files if path.parent.parent.name == "features"}
        return Declared(FEATURE, "feature", stores)

    def store(self, name: str) -> Path:
        """Feature store, or folder of the medium behind an input, by the input's name."""
        medium = medium_of(name)
        return self.features[name] if medium is None else self.media[medium]

    @property
    def feature(self) -> Path:
        """Store of the only feature."""
        return self._only(FEATURE, list(self.features.values()))

    @property
    def results(self) -> list[Path]:
        """Folders of results, of any paper, system, corpus and protocol."""
        return self._folders(PREDICTIONS)

    def result_on(self, corpus: str) -> Path:
        """Folder of the first result on a corpus."""
        folders = [(path, names(RESULT, path) or {}) for path in self.results]
        on_corpus = [path for path, named in folders if named.get("corpus") == corpus]
        return self._only(RESULT, on_corpus, corpus=corpus)

    @property
    def members(self) -> Declared:
        """Folders of results by system, where all are of one corpus under one protocol."""
        systems = {path.parent.name: path for path in self.results}
        return Declared(RESULT, "system", systems)

    @property
    def scores(self) -> Path:
        """Folder of the tables of scores."""
        return self._only(SCORES, self._folders(SCORES_INFO))

    @property
    def tables(self) -> Path:
        """Folder of tables."""
        return self._only(TABLES, self._folders(TABLE_INDEX))

    @property
    def sheets(self) -> list[Path]:
        """Folders of frame sheets."""
        return self._folders(SHEET_INDEX)

    @property
    def reported(self) -> Path:
        """Folder of the numbers that the papers print."""
        folders = {path.parent for path in self.files if path.parent.name == REPORTED}
        return self._only(REPORTED, sorted(folders))

    def _named(self, name: str) -> list[Path]:
        return [path for path in self.files if path.name == name]

    def _folders(self, marker: str) -> list[Path]:
        return sorted({path.parent for path in self._named(marker)})

    def _sources(self, raw: bool) -> list[Path]:
        """Folders of raw corpora, or else of checkpoints, whose marker has the same name."""
        folders = self._folders(SOURCE)
        return [path for path in folders if ("raw" in (path.name, path.parent.name)) == raw]

    @staticmethod
    def _only(pattern: str, paths: list[Path], **given: str) -> Path:
        if not paths:
            raise undeclared(pattern, **given)
        return paths[0]
