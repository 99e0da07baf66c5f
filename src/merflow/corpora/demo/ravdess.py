"""A demo of RAVDESS: eight actors, two statements, eight emotions; one zip of videos per actor, one of all sound.

File names and zips as on https://zenodo.org/records/1188976. Words are fixed: the emotion is in voice and face alone.
"""

import shutil
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from merflow.corpora.corpus import Source
from merflow.corpora.demo import packing
from merflow.corpora.demo.cast import person
from merflow.corpora.demo.script import Take
from merflow.corpora.demo.studio import Clip, film_all

ACTORS = range(1, 9)
EMOTIONS = (
    "neutral",
    "calm",
    "joy",
    "sadness",
    "anger",
    "fear",
    "disgust",
    "surprise",
)  # codes 01-08, as in EXPRESSIONS
STRENGTHS = {1: 0.8, 2: 1.25}  # by intensity
STATEMENTS = {1: "Kids are talking by the door", 2: "Dogs are sitting by the door"}
SOUND = "Audio_Speech_Actors_01-24"
SOUND_HZ = 48_000

BROKEN, SONG, STRAY = (
    "01-01-05-02-01-01-03.mp4",
    "03-02-03-01-01-01-02.wav",
    "Actor_05/room-tone.wav",
)


@dataclass(frozen=True)
class Recording:
    """A take and the part of its file name after the modality."""

    actor: int
    name: str
    take: Take


def write_script() -> list[Recording]:
    """Every recording of the corpus; neutral has normal intensity only."""
    recordings = []
    for actor, (code, emotion), (intensity, strength) in product(
        ACTORS, enumerate(EMOTIONS, 1), STRENGTHS.items()
    ):
        who = person("ravdess", f"{actor:02d}", actor % 2 == 0)
        for statement, text in STATEMENTS.items():
            if emotion != "neutral" or intensity == 1:
                name = f"01-{code:02d}-{intensity:02d}-{statement:02d}-01-{actor:02d}"
                recordings.append(
                    Recording(actor, name, Take("ravdess", name, who, emotion, text, strength))
                )
    return recordings


def make(scratch: Path, out: Path) -> list[Source]:
    """Write the zips of videos and of sound into `out`."""
    sound = scratch / SOUND
    clips = [
        Clip(
            scratch
            / f"Video_Speech_Actor_{one.actor:02d}"
            / f"Actor_{one.actor:02d}"
            / f"01-{one.name}.mp4",
            takes=(one.take,),
            people=(one.take.speaker,),
            place=None,
            sounds=(sound / f"Actor_{one.actor:02d}" / f"03-{one.name}.wav",),
            sounds_hz=SOUND_HZ,
        )
        for one in write_script()
    ]
    film_all(clips, "clips of the demo of ravdess")
    for clip in clips:
        if clip.path.name == BROKEN:
            packing.truncate(
                clip.path, clip.path.stat().st_size // 2
            )  # the index of an MP4 stands at its end
    some = clips[0].sounds[0]
    shutil.copy(some, sound / "Actor_02" / SONG)
    shutil.copy(some, sound / STRAY)
    folders = sorted(scratch.iterdir())
    return [
        packing.source(packing.zipped(folder, out / f"{folder.name}.zip"), unpack=True)
        for folder in folders
    ]
