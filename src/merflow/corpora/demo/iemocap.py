"""A demo of IEMOCAP: five sessions of two actors, with annotations, clips and defects.

Layout as in IEMOCAP_full_release (https://sail.usc.edu/iemocap): EmoEvaluation, transcripts, camera
files that show both actors, and a WAV file per sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.corpora.corpus import Source
from merflow.corpora.demo import packing
from merflow.corpora.demo.cast import Person, person
from merflow.corpora.demo.chance import chance
from merflow.corpora.demo.expression import EXPRESSIONS
from merflow.corpora.demo.script import Take, deal, speaker
from merflow.corpora.demo.studio import Clip, Filmed, film_all
from merflow.corpora.demo.words import CUES, sentence, topics
from merflow.corpora.labels import CLASSES, IEMOCAP_CODES

SESSIONS = (1, 2, 3, 4, 5)
#: One dialogue for each class in scope.
DIALOGUES = (
    *("F_impro01", "M_impro02", "F_impro03"),
    *("F_script01_1", "M_script02_1", "M_script03_1"),
)
#: Utterances of IEMOCAP by label; "other" and turns without agreement (2,507 of 10,039) are rarer.
SHARES = {
    **dict(zip(CLASSES["iemocap"], (1103, 595, 1084, 1708, 1041, 1849), strict=True)),
    "surprise": 107,
    "no agreement": 150,
    "other": 60,
}
CODES = {label: code for code, label in IEMOCAP_CODES.items()}
#: Label -> name of its expression and cues, where it differs. Turns without agreement have any.
EXPRESSION = {"happiness": "joy"}
#: Label -> an annotator's vote, valence and activation (1-5).
VOTES = {
    "anger": ("Anger", 1.8, 4.0),
    "happiness": ("Happiness", 4.0, 3.2),
    "sadness": ("Sadness", 1.9, 2.2),
    "neutral": ("Neutral", 2.9, 2.6),
    "excitement": ("Excited", 4.2, 4.0),
    "frustration": ("Frustration", 2.2, 3.2),
    "surprise": ("Surprise", 3.2, 3.7),
    "other": ("Other", 2.8, 3.0),
}
AGREED = 0.75  # share of votes for the label

NO_VIDEO, NO_TEXT, ZERO = "Ses03M_impro02", "Ses02F_script01_1", "Ses04M_script02_1"


@dataclass(frozen=True)
class Dialogue:
    """A dialogue of a session, its takes in order, and the label of each."""

    session: int
    name: str
    people: tuple[Person, ...]
    takes: tuple[Take, ...]
    labels: tuple[str, ...]

    def folder(self, root: Path) -> Path:
        """The session's folder."""
        return root / "IEMOCAP_full_release" / f"Session{self.session}"


def write_script() -> list[Dialogue]:
    """Every dialogue of the corpus."""
    turns = {
        f"Ses{session:02d}": {
            f"Ses{session:02d}{kind}": _n_turns(session, kind) for kind in DIALOGUES
        }
        for session in SESSIONS
    }
    labels = deal("iemocap", turns, SHARES)
    return [_write_dialogue(number, name, labels[name]) for number, name in enumerate(labels)]


def _n_turns(session: int, kind: str) -> int:
    return int(chance("iemocap", str(session), kind, "turns").integers(7, 10))


def _write_dialogue(number: int, name: str, labels: Sequence[str]) -> Dialogue:
    people = tuple(person("iemocap", f"{name[:5]}{sex}", sex == "F") for sex in "FM")
    takes, counts = [], dict.fromkeys("FM", 0)
    for turn, label in enumerate(labels):
        rng = chance("iemocap", name, str(turn))
        emotion = EXPRESSION.get(label, label)
        if emotion not in EXPRESSIONS:
            emotion = str(rng.choice(list(CUES)))
        actor = speaker("iemocap", people, label, CLASSES["iemocap"], rng)
        sex = actor.name[-1]
        utterance_id = f"{name}_{sex}{counts[sex]:03d}"
        text = sentence([emotion], topics(number), rng)
        takes.append(Take("iemocap", utterance_id, actor, emotion, text))
        counts[sex] += 1
    return Dialogue(int(name[3:5]), name, people, tuple(takes), tuple(labels))


def make(scratch: Path, out: Path) -> list[Source]:
    """Write IEMOCAP_full_release.tar.gz into `out`."""
    dialogues = write_script()
    clips = [
        Clip(
            path=dialogue.folder(scratch) / "dialog/avi/DivX" / f"{dialogue.name}.avi",
            takes=dialogue.takes,
            people=dialogue.people,
            place=dialogue.name,
            audio_files=tuple(_wav_file(dialogue, take, scratch) for take in dialogue.takes),
        )
        for dialogue in dialogues
    ]
    filmed = film_all(clips, "dialogues of the demo of iemocap")
    for dialogue, clip, times in zip(dialogues, clips, filmed, strict=True):
        _write_annotations(dialogue, times, scratch)
        if dialogue.name == NO_VIDEO:
            clip.path.unlink()
            packing.truncate(clip.audio_files[1], 30)  # inside the header
    archive = packing.tar_gz(scratch, out / "IEMOCAP_full_release.tar.gz")
    return [packing.source(archive, unpack=True)]


def _wav_file(dialogue: Dialogue, take: Take, root: Path) -> Path:
    return dialogue.folder(root) / "sentences/wav" / dialogue.name / f"{take.utterance_id}.wav"


def _write_annotations(dialogue: Dialogue, filmed: Filmed, root: Path) -> None:
    evaluation, transcript = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"], []
    turns = zip(dialogue.takes, dialogue.labels, filmed.spans, strict=True)
    for number, (take, label, (start, end)) in enumerate(turns):
        if dialogue.name == ZERO and number == 2:
            end = start
        evaluation.append(_evaluation(take, label, start, end))
        if not (dialogue.name == NO_TEXT and number == 3):
            transcript.append(f"{take.utterance_id} [{start:08.4f}-{end:08.4f}]: {take.text}")
    for kind, lines in (("EmoEvaluation", evaluation), ("transcriptions", transcript)):
        path = dialogue.folder(root) / "dialog" / kind / f"{dialogue.name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _evaluation(take: Take, label: str, start: float, end: float) -> str:
    """Annotation of a turn: its line, three annotators' votes and two annotators' ratings."""
    rng = chance("iemocap", take.utterance_id, "votes")
    _, valence, activation = VOTES.get(label, VOTES["other"])
    ratings = [
        [_rating(centre + rng.normal(0, 0.5)) for centre in (valence, activation, activation)]
        for _ in range(2)
    ]
    mean = ", ".join(f"{sum(values) / 2:.4f}" for values in zip(*ratings, strict=True))
    lines = [f"[{start:.4f} - {end:.4f}]\t{take.utterance_id}\t{CODES[label]}\t[{mean}]"]
    for annotator in ("C-E2", "C-E3", "C-E4"):
        agrees = label in VOTES and rng.random() < AGREED
        vote = label if agrees else str(rng.choice(list(VOTES)))
        lines.append(f"{annotator}:\t{VOTES[vote][0]};\t()")
    for annotator, (v, a, d) in zip(("A-E3", "A-E4"), ratings, strict=True):
        lines.append(f"{annotator}:\tval {v}; act {a}; dom  {d};\t()")
    return "\n".join(lines) + "\n"


def _rating(value: float) -> int:
    return min(max(round(value), 1), 5)
