"""A demo of MELD: a series with a small cast, as archives inside MELD.Raw.tar.gz.

Layout, CSV files and defects follow the distribution (https://github.com/declare-lab/MELD and its
issues 20, 22, 39).
"""

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from merflow.corpora.corpus import Source
from merflow.corpora.demo import packing
from merflow.corpora.demo.cast import Person, person
from merflow.corpora.demo.chance import chance
from merflow.corpora.demo.script import Take, deal, speaker
from merflow.corpora.demo.studio import Clip, film_all
from merflow.corpora.demo.words import sentence, topics
from merflow.corpora.labels import CLASSES

#: Split -> number of dialogues, archive, folder of clips in it.
SPLITS = {
    "train": (24, "train.tar.gz", "train_splits"),
    "dev": (6, "dev.tar.gz", "dev_splits_complete"),
    "test": (10, "test.tar.gz", "output_repeated_splits_test"),
}
#: Utterances of all MELD splits together, by class.
SHARES = dict(zip(CLASSES["meld"], (6436, 2308, 1636, 1607, 1002, 361, 358), strict=True))
SENTIMENT = {"neutral": "neutral", "joy": "positive"}
CAST = {"Nora": True, "Ida": True, "Clara": True, "Felix": False, "Bruno": False, "Otto": False}
GUESTS = {"The Waitress": True, "The Landlord": False, "Dr. Lind": True, "Mr. Hale": False}
COLUMNS = (
    *("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"),
    *("Season", "Episode", "StartTime", "EndTime"),
)
SHORT_MS, LONG_MS = 64, 304_900  # the shortest and the longest span of MELD

# split, dialogue and turn of the utterances with a defect
CORRUPT = ("train", 3, 1)  # the clip is cut off
SHORT = ("train", 7, 1)  # the clip has two frames
TWICE = ("train", 12, 2)  # REPEAT has it as well
MISSING = ("dev", 4, 1)  # there is no clip
EXTRA = ("dev", 2, 0)  # the clip is copied under names that no annotation has
ZERO = ("test", 3, 0)  # the span is 0 s
MARKS = ("train", 10)  # a dialogue whose apostrophes are control characters
LONG = ("test", 5, 1)  # the span is LONG_MS
REPEAT = ("test", 9)  # a dialogue


@dataclass(frozen=True)
class Row:
    """One utterance: place in the corpus and, once filmed, times in milliseconds of the episode."""

    split: str
    dialogue: int
    turn: int
    take: Take
    start_ms: int = 0
    end_ms: int = 0

    @property
    def where(self) -> tuple[str, int, int]:
        """Split, dialogue, turn."""
        return self.split, self.dialogue, self.turn

    @property
    def name(self) -> str:
        """Dialogue of its split."""
        return f"{self.split}_dia{self.dialogue}"

    def clip(self, root: Path) -> Path:
        """Path of the clip below the folder that holds the splits."""
        return root / self.split / SPLITS[self.split][2] / f"dia{self.dialogue}_utt{self.turn}.mp4"


def write_script() -> list[Row]:
    """Every utterance of the corpus, not filmed yet."""
    turns: dict[str, dict[str, int]] = {}
    for split, (count, _, _) in SPLITS.items():
        names = [f"{split}_dia{number}" for number in range(count)]
        turns[split] = {name: _n_turns(name) for name in names}
    rows: list[Row] = []
    for number, (name, emotions) in enumerate(deal("meld", turns, SHARES).items()):
        rows += _write_dialogue(number, name, emotions)
    return [
        replace(row, take=replace(row.take, text="Oh.")) if row.where == SHORT else row
        for row in rows
    ]


def _n_turns(dialogue: str) -> int:
    return int(chance("meld", dialogue, "turns").integers(6, 10))


def _write_dialogue(number: int, name: str, emotions: Sequence[str]) -> list[Row]:
    split, dialogue = name.split("_dia")[0], int(name.split("_dia")[1])
    people = _people(name)
    skipped = 2 if dialogue % 5 == 3 else len(emotions)  # some dialogues lack an utterance
    rows = []
    for place, emotion in enumerate(emotions):
        turn = place + (place >= skipped)
        utterance_id = f"{name}_utt{turn}"
        rng = chance("meld", utterance_id, "speaker")
        actor = speaker("meld", people, emotion, CLASSES["meld"], rng)
        text = sentence([emotion], topics(number), chance("meld", utterance_id, "text"))
        rows.append(Row(split, dialogue, turn, Take("meld", utterance_id, actor, emotion, text)))
    return rows


def _people(dialogue: str) -> list[Person]:
    """Two or three of the cast, and a guest now and then."""
    rng = chance("meld", dialogue, "people")
    names = rng.choice(list(CAST), rng.integers(2, 4), replace=False)
    people = [person("meld", name, CAST[name]) for name in names]
    if rng.random() < 0.3:
        guest = str(rng.choice(list(GUESTS)))
        people.append(person("meld", guest, GUESTS[guest]))
    return people


def make(scratch: Path, out: Path) -> list[Source]:
    """Write MELD.Raw.tar.gz into `out`."""
    rows = write_script()
    clips = [
        Clip(
            path=row.clip(scratch),
            takes=(row.take,),
            people=(row.take.speaker,),
            place=row.name,
            channels=2 if row.dialogue % 3 else 1,
            cut_s=SHORT_MS / 1000 if row.where == SHORT else None,
        )
        for row in rows
    ]
    filmed = film_all(clips, "clips of the demo of meld")
    rows = _timed(rows, [round(1000 * clip.length_s) for clip in filmed])
    rows = _plant(rows, scratch)
    top = scratch / "all" / "MELD.Raw"
    top.mkdir(parents=True)
    for split, (_, archive, _) in SPLITS.items():
        # the annotations of train are inside its archive, the others beside theirs
        folder = scratch / split if split == "train" else top
        split_rows = [row for row in rows if row.split == split]
        _write_annotations(folder / f"{split}_sent_emo.csv", split_rows)
        packing.tar_gz(scratch / split, top / archive)
    (top / "README.txt").write_text(
        "A demo in the layout of MELD: drawn faces, synthetic speech.\n", encoding="utf-8"
    )
    return [packing.source(packing.tar_gz(top.parent, out / "MELD.Raw.tar.gz"), unpack=True)]


def _timed(rows: list[Row], lengths_ms: list[int]) -> list[Row]:
    """Rows with times: utterances of a dialogue follow each other in its episode."""
    timed: list[Row] = []
    for row, length in zip(rows, lengths_ms, strict=True):
        if timed and timed[-1].name == row.name:
            pause = int(chance("meld", row.take.utterance_id, "pause").integers(0, 900))
            start = timed[-1].end_ms + pause
        else:
            start = int(chance("meld", row.name, "start").integers(60_000, 1_200_000))
        timed.append(replace(row, start_ms=start, end_ms=start + length))
    return timed


def _plant(rows: list[Row], root: Path) -> list[Row]:
    """Plant the defects of the distribution."""
    at = {row.where: row for row in rows}
    corrupt, extra = at[CORRUPT].clip(root), at[EXTRA].clip(root)
    first = at["test", 0, 0].clip(root)
    packing.truncate(corrupt, corrupt.stat().st_size // 2)  # the index of an MP4 is at its end
    at[MISSING].clip(root).unlink()
    for turn in (19, 20):
        shutil.copy(extra, extra.with_name(f"dia{EXTRA[1]}_utt{turn}.mp4"))
    shutil.copy(first, first.with_name("final_videos_testdia0_utt0.mp4"))
    mac_header = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
    first.with_name("._dia0_utt0.mp4").write_bytes(mac_header.ljust(120, b"\x00"))
    at[ZERO] = replace(at[ZERO], end_ms=at[ZERO].start_ms)
    at[LONG] = replace(at[LONG], end_ms=at[LONG].start_ms + LONG_MS)
    turn = 1 + max(row.turn for row in rows if (row.split, row.dialogue) == REPEAT)
    original = at[TWICE]
    repeat = replace(original, split=REPEAT[0], dialogue=REPEAT[1], turn=turn)
    at[repeat.where] = repeat
    shutil.copy(original.clip(root), repeat.clip(root))
    return list(at.values())


def _write_annotations(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\r\n")
        table.writerow(COLUMNS)
        for number, row in enumerate(sorted(rows, key=lambda row: row.where), 1):
            take, place = row.take, (row.dialogue, row.turn)
            text = take.text
            if (row.split, row.dialogue) == MARKS:
                text = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "\x92")
            fields = (text, take.speaker.name, take.emotion, _sentiment(take))
            digits = 1 if row.dialogue % 4 == 1 else 2  # hours have one digit in a quarter of rows
            times = (_clock(row.start_ms, digits), _clock(row.end_ms, digits))
            table.writerow((number, *fields, *place, *_episode(take), *times))


def _sentiment(take: Take) -> str:
    if take.emotion == "surprise":
        positive = chance("meld", take.utterance_id, "sentiment").random() < 0.5
        return "positive" if positive else "negative"
    return SENTIMENT.get(take.emotion, "negative")


def _episode(take: Take) -> tuple[int, int]:
    """Season and episode of the dialogue that the take was filmed in."""
    rng = chance("meld", take.utterance_id.rsplit("_", 1)[0], "episode")
    return int(rng.integers(1, 11)), int(rng.integers(1, 25))


def _clock(ms: int, digits: int) -> str:
    hours, minutes, seconds = ms // 3_600_000, ms // 60_000 % 60, ms // 1000 % 60
    return f"{hours:0{digits}d}:{minutes:02d}:{seconds:02d},{ms % 1000:03d}"
