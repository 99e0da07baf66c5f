"""A demo of MELD: a series with a small cast, MELD.Raw.tar.gz with its archives inside, CSV files and defects.

Layout and defects follow the distribution (https://github.com/declare-lab/MELD and its issues 20, 22, 39).
"""

import csv
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from merflow.corpora.corpus import Source
from merflow.corpora.demo import packing
from merflow.corpora.demo.cast import person
from merflow.corpora.demo.chance import chance
from merflow.corpora.demo.script import Take, deal, speaker
from merflow.corpora.demo.studio import Clip, film_all
from merflow.corpora.demo.words import sentence, topics
from merflow.corpora.labels import CLASSES

#: Split -> number of dialogues, archive, folder of clips in it.
PARTS = {
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

CORRUPT, SHORT, TWICE = ("train", 3, 1), ("train", 7, 1), ("train", 12, 2)
MISSING, EXTRA = ("dev", 4, 1), ("dev", 2, 0)
ZERO, LONG, ALSO = ("test", 3, 0), ("test", 5, 1), ("test", 9)


@dataclass(frozen=True)
class Row:
    """One utterance: place in the corpus and, once it is filmed, times in milliseconds of the episode."""

    split: str
    dialogue: int
    turn: int
    take: Take
    start_ms: int = 0
    end_ms: int = 0

    @property
    def where(self) -> tuple[str, int, int]:
        """Split, dialogue, utterance."""
        return self.split, self.dialogue, self.turn

    @property
    def name(self) -> str:
        """Dialogue of its split."""
        return f"{self.split}_dia{self.dialogue}"

    def clip(self, root: Path) -> Path:
        """File of the clip below the folder that holds the splits."""
        return root / self.split / PARTS[self.split][2] / f"dia{self.dialogue}_utt{self.turn}.mp4"


def write_script() -> list[Row]:
    """Every utterance of the corpus, not filmed yet."""
    names = {
        split: [f"{split}_dia{n}" for n in range(count)] for split, (count, _, _) in PARTS.items()
    }
    turns = {
        split: {name: int(chance("meld", name, "turns").integers(6, 10)) for name in names[split]}
        for split in PARTS
    }
    rows = []
    for number, (name, emotions) in enumerate(deal("meld", turns, SHARES).items()):
        split, dialogue = name.split("_dia")[0], int(name.split("_dia")[1])
        rng = chance("meld", name, "people")
        people = [
            person("meld", one, CAST[one])
            for one in rng.choice(list(CAST), rng.integers(2, 4), replace=False)
        ]
        if rng.random() < 0.3:
            guest = str(rng.choice(list(GUESTS)))
            people.append(person("meld", guest, GUESTS[guest]))
        skipped = 2 if dialogue % 5 == 3 else len(emotions)  # some dialogues lack an utterance
        for place, emotion in enumerate(emotions):
            turn = place + (place >= skipped)
            utterance_id = f"{name}_utt{turn}"
            who = speaker(
                "meld", people, emotion, CLASSES["meld"], chance("meld", utterance_id, "speaker")
            )
            text = sentence([emotion], topics(number), chance("meld", utterance_id, "text"))
            rows.append(Row(split, dialogue, turn, Take("meld", utterance_id, who, emotion, text)))
    return [
        replace(row, take=replace(row.take, text="Oh.")) if row.where == SHORT else row
        for row in rows
    ]


def make(scratch: Path, out: Path) -> list[Source]:
    """Write MELD.Raw.tar.gz into `out`."""
    rows = write_script()
    clips = [
        Clip(
            row.clip(scratch),
            takes=(row.take,),
            people=(row.take.speaker,),
            place=row.name,
            channels=2 if row.dialogue % 3 else 1,
            cut_s=SHORT_MS / 1000 if row.where == SHORT else None,
        )
        for row in rows
    ]
    rows = _timed(
        rows,
        [round(1000 * filmed.length_s) for filmed in film_all(clips, "clips of the demo of meld")],
    )
    rows = _plant(rows, scratch)
    top = scratch / "all" / "MELD.Raw"
    top.mkdir(parents=True)
    for split, (_, archive, _) in PARTS.items():
        # the annotations of train lie inside its archive, the others beside theirs
        _write_annotations(
            (scratch / split if split == "train" else top) / f"{split}_sent_emo.csv",
            [r for r in rows if r.split == split],
        )
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
            start = timed[-1].end_ms + int(
                chance("meld", row.take.utterance_id, "pause").integers(0, 900)
            )
        else:
            start = int(chance("meld", row.name, "start").integers(60_000, 1_200_000))
        timed.append(replace(row, start_ms=start, end_ms=start + length))
    return timed


def _plant(rows: list[Row], root: Path) -> list[Row]:
    """The defects of the distribution."""
    at = {row.where: row for row in rows}
    corrupt, extra, first = (
        at[CORRUPT].clip(root),
        at[EXTRA].clip(root),
        at["test", 0, 0].clip(root),
    )
    packing.truncate(corrupt, corrupt.stat().st_size // 2)  # the index of an MP4 stands at its end
    at[MISSING].clip(root).unlink()
    for turn in (19, 20):
        shutil.copy(extra, extra.with_name(f"dia{EXTRA[1]}_utt{turn}.mp4"))
    shutil.copy(first, first.with_name("final_videos_testdia0_utt0.mp4"))
    first.with_name("._dia0_utt0.mp4").write_bytes(
        b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ".ljust(120, b"\x00")
    )
    at[ZERO] = replace(at[ZERO], end_ms=at[ZERO].start_ms)
    at[LONG] = replace(at[LONG], end_ms=at[LONG].start_ms + LONG_MS)
    turn = 1 + max(row.turn for row in rows if (row.split, row.dialogue) == ALSO)
    again = at[TWICE]
    at[(*ALSO, turn)] = replace(again, split=ALSO[0], dialogue=ALSO[1], turn=turn)
    shutil.copy(again.clip(root), at[(*ALSO, turn)].clip(root))
    return list(at.values())


def _write_annotations(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\r\n")
        table.writerow(COLUMNS)
        for number, row in enumerate(sorted(rows, key=lambda row: row.where), 1):
            episode = chance(
                "meld", row.take.utterance_id.rsplit("_", 1)[0], "episode"
            )  # of where it was filmed
            place = (int(episode.integers(1, 11)), int(episode.integers(1, 25)))
            emotion, digits = (
                row.take.emotion,
                1 if row.dialogue % 4 == 1 else 2,
            )  # a quarter of the hours has one digit
            either = (
                "positive"
                if chance("meld", row.take.utterance_id, "sentiment").random() < 0.5
                else "negative"
            )
            sentiment = either if emotion == "surprise" else SENTIMENT.get(emotion, "negative")
            who, text = row.take.speaker.name, row.take.text
            times = (_clock(row.start_ms, digits), _clock(row.end_ms, digits))
            table.writerow(
                (number, text, who, emotion, sentiment, row.dialogue, row.turn, *place, *times)
            )


def _clock(ms: int, digits: int) -> str:
    return f"{ms // 3_600_000:0{digits}d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"
