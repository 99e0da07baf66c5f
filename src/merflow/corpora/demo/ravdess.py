"""A demo of RAVDESS: eight actors, two statements, eight emotions.

File names and zips as on https://zenodo.org/records/1188976: one of videos per actor, one of all
audio. Words are fixed, so the emotion is in voice and face alone.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from merflow.corpora.corpus import Source
from merflow.corpora.demo import packing
from merflow.corpora.demo.cast import person
from merflow.corpora.demo.script import Take
from merflow.corpora.demo.studio import Clip, film_all

ACTORS = range(1, 9)
#: Codes 01-08, as in EXPRESSIONS.
EMOTIONS = ("neutral", "calm", "joy", "sadness", "anger", "fear", "disgust", "surprise")
STRENGTHS = {1: 0.8, 2: 1.25}  # by intensity
STATEMENTS = {1: "Kids are talking by the door", 2: "Dogs are sitting by the door"}
AUDIO = "Audio_Speech_Actors_01-24"
AUDIO_HZ = 48_000

BROKEN = "01-01-05-02-01-01-03.mp4"
SONG = "03-02-03-01-01-01-02.wav"
STRAY = "Actor_05/room-tone.wav"


@dataclass(frozen=True)
class Recording:
    """A take and its file name without the modality."""

    actor: int
    name: str
    take: Take

    @property
    def folder(self) -> str:
        """Folder of the actor in a zip."""
        return f"Actor_{self.actor:02d}"

    @property
    def video(self) -> str:
        """Path in the zip of the actor's videos."""
        return f"{self.folder}/01-{self.name}.mp4"

    @property
    def audio(self) -> str:
        """Path in the zip of all audio."""
        return f"{self.folder}/03-{self.name}.wav"


def write_script() -> list[Recording]:
    """Every recording of the corpus; neutral has normal intensity only."""
    recordings = []
    for actor, (code, emotion), (intensity, strength) in product(
        ACTORS, enumerate(EMOTIONS, 1), STRENGTHS.items()
    ):
        speaker = person("ravdess", f"{actor:02d}", actor % 2 == 0)
        for statement, text in STATEMENTS.items():
            if emotion != "neutral" or intensity == 1:
                name = f"01-{code:02d}-{intensity:02d}-{statement:02d}-01-{actor:02d}"
                take = Take("ravdess", name, speaker, emotion, text, strength)
                recordings.append(Recording(actor, name, take))
    return recordings


def make(scratch: Path, out: Path) -> list[Source]:
    """Write the zips of videos and of audio into `out`."""
    audio = scratch / AUDIO
    clips = [
        Clip(
            path=scratch / f"Video_Speech_{recording.folder}" / recording.video,
            takes=(recording.take,),
            people=(recording.take.speaker,),
            place=None,
            audio_files=(audio / recording.audio,),
            audio_hz=AUDIO_HZ,
        )
        for recording in write_script()
    ]
    film_all(clips, "clips of the demo of ravdess")
    _plant(clips, audio)
    folders = sorted(scratch.iterdir())
    return [
        packing.source(packing.zipped(folder, out / f"{folder.name}.zip"), unpack=True)
        for folder in folders
    ]


def _plant(clips: Sequence[Clip], audio: Path) -> None:
    """Make a broken video, a song and a file that is not a recording."""
    for clip in clips:
        if clip.path.name == BROKEN:
            # the index of an MP4 is at its end
            packing.truncate(clip.path, clip.path.stat().st_size // 2)
    recording = clips[0].audio_files[0]
    shutil.copy(recording, audio / "Actor_02" / SONG)
    shutil.copy(recording, audio / STRAY)
