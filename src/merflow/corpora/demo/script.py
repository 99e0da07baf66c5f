"""Who shows which emotion when.

Classes are uneven, as in the corpora. Every dialogue has an emotion of its own that most of its turns show, and
every person leans towards one: both are what a random split of utterances leaks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from merflow.corpora.demo.cast import Person
from merflow.corpora.demo.chance import chance

HELD = 0.7  # share of turns that show the dialogue's own emotion
LEANING = 3.0  # how much likelier a person shows the emotion that they lean to


@dataclass(frozen=True)
class Take:
    """One utterance to be made; `emotion` is one of EXPRESSIONS, `strength` scales its expression."""

    corpus: str
    utterance_id: str
    speaker: Person
    emotion: str
    text: str
    strength: float = 1.0


def deal(
    corpus: str, parts: Mapping[str, Mapping[str, int]], shares: Mapping[str, float]
) -> dict[str, list[str]]:
    """Emotions of every turn; each emotion of `shares` occurs in each part that has turns enough.

    Args:
        corpus: name of the corpus.
        parts: split, session or fold -> dialogue -> number of turns; dialogues of all parts have different names.
        shares: emotion -> weight.

    Returns:
        Dialogue -> emotion of each turn.
    """
    dealt: dict[str, list[str]] = {}
    for part, turns in parts.items():
        rng = chance(corpus, part, "emotions")
        own = dict(
            zip(turns, _deck(shares, len(turns), rng), strict=True)
        )  # per part: parts of a small corpus must not differ in moods
        held = {dialogue: rng.random(count) < HELD for dialogue, count in turns.items()}
        open_turns = sum(int((~kept).sum()) for kept in held.values())
        others = iter(_deck(shares, open_turns, rng, least=int(open_turns >= len(shares))))
        dealt |= {
            dialogue: [own[dialogue] if kept else next(others) for kept in held[dialogue]]
            for dialogue in turns
        }
    return dealt


def speaker(
    corpus: str,
    people: Sequence[Person],
    emotion: str,
    emotions: Sequence[str],
    rng: np.random.Generator,
) -> Person:
    """Who of `people` says something with `emotion`; each leans towards one of `emotions`."""
    leanings = [str(chance(corpus, one.name, "leaning").choice(list(emotions))) for one in people]
    weights = np.array([LEANING if leaning == emotion else 1.0 for leaning in leanings])
    return people[int(rng.choice(len(people), p=weights / weights.sum()))]


def _deck(
    shares: Mapping[str, float], count: int, rng: np.random.Generator, least: int = 0
) -> list[str]:
    """`count` shuffled emotions in these shares (largest remainders), `least` or more of each."""
    exact = np.array(list(shares.values())) / sum(shares.values()) * (count - least * len(shares))
    whole = np.floor(exact).astype(int)
    whole[
        np.argsort(whole - exact, kind="stable")[: count - least * len(shares) - whole.sum()]
    ] += 1
    return rng.permutation(np.repeat(list(shares), whole + least)).tolist()
