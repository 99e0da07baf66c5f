"""Assign emotions to turns, and turns to speakers.

Classes are imbalanced, as in the corpora. Every dialogue has a mood that most of its turns show,
and every person leans towards an emotion. A random split of utterances leaks both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from merflow.corpora.demo.cast import Person
from merflow.corpora.demo.chance import chance

IN_MOOD = 0.7  # share of turns that show the dialogue's mood
LEANING = 3.0  # factor on the probability that a person shows the emotion that they lean towards


@dataclass(frozen=True)
class Take:
    """One utterance to be made.

    Attributes:
        corpus, utterance_id, speaker, text: as in the corpus.
        emotion: key of EXPRESSIONS.
        strength: factor of the expression.
    """

    corpus: str
    utterance_id: str
    speaker: Person
    emotion: str
    text: str
    strength: float = 1.0


def deal(
    corpus: str, groups: Mapping[str, Mapping[str, int]], shares: Mapping[str, float]
) -> dict[str, list[str]]:
    """Assign an emotion to every turn.

    Each emotion of `shares` occurs in each group that has enough turns.

    Args:
        corpus: name of the corpus.
        groups: split, session or fold -> dialogue -> number of turns; no two dialogues have the
            same name.
        shares: emotion -> weight.

    Returns:
        Dialogue -> emotion of each turn.
    """
    dealt: dict[str, list[str]] = {}
    for group, turns in groups.items():
        rng = chance(corpus, group, "emotions")
        # per group, because the groups of a small corpus must not differ in moods
        moods = dict(zip(turns, _deck(shares, len(turns), rng), strict=True))
        in_mood = {dialogue: rng.random(count) < IN_MOOD for dialogue, count in turns.items()}
        n_open = sum(int((~flags).sum()) for flags in in_mood.values())
        deck = iter(_deck(shares, n_open, rng, least=int(n_open >= len(shares))))
        for dialogue in turns:
            mood = moods[dialogue]
            dealt[dialogue] = [mood if flag else next(deck) for flag in in_mood[dialogue]]
    return dealt


def speaker(
    corpus: str,
    people: Sequence[Person],
    emotion: str,
    emotions: Sequence[str],
    rng: np.random.Generator,
) -> Person:
    """Choose who of `people` shows `emotion`; each leans towards one of `emotions`."""
    leanings = [
        str(chance(corpus, person.name, "leaning").choice(list(emotions))) for person in people
    ]
    weights = np.array([LEANING if leaning == emotion else 1.0 for leaning in leanings])
    return people[int(rng.choice(len(people), p=weights / weights.sum()))]


def _deck(
    shares: Mapping[str, float], count: int, rng: np.random.Generator, least: int = 0
) -> list[str]:
    """Shuffle `count` emotions in these shares (largest remainders), at least `least` of each."""
    free = count - least * len(shares)
    exact = np.array(list(shares.values())) / sum(shares.values()) * free
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: free - counts.sum()]] += 1
    return rng.permutation(np.repeat(list(shares), counts + least)).tolist()
