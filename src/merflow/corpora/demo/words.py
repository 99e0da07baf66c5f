"""Sentences: cue phrases per emotion, clauses for any emotion, and topics of a dialogue.

Most sentences contain a cue of their emotion, some none or a wrong one. A topic recurs within a
dialogue and nowhere else, so it betrays the dialogue, not the emotion.
"""

from collections.abc import Sequence

import numpy as np

NO_CUE, WRONG_CUE = 0.15, 0.08  # shares of sentences
CUE_ALONE, CUE_FIRST = 0.08, 0.55  # cumulative; in the rest the cue comes last

#: Emotion -> phrases. Some phrases occur under several emotions, as in life.
_CUES = {
    "neutral": (
        "all right / I suppose so / as planned / by the way / as usual / look at this / "
        "I don’t know / you know"
    ),
    "joy": (
        "that’s wonderful / I’m so happy / this is great / I love it / hooray for us / "
        "that’s so sweet / oh my God / look at this"
    ),
    "excitement": (
        "I can’t wait / let’s go right now / this is amazing / we won it / "
        "I’m so excited / oh yes, yes / oh my God / come on"
    ),
    "surprise": (
        "no way / wait, what / really, since when / that’s unexpected / wow / oh my God / "
        "I can’t believe it / seriously"
    ),
    "anger": (
        "how dare you / stop it now / I’m so mad / leave me alone / I hate this / "
        "get out / I can’t believe it / come on"
    ),
    "frustration": (
        "not again / it never works / I give up / it’s pointless / I’ve had enough / "
        "you never listen / seriously / come on"
    ),
    "sadness": (
        "I’m so sorry / I miss her / it’s all gone / I feel so lonely / I could cry / "
        "we lost it / you know / I don’t know"
    ),
    "disgust": (
        "that’s disgusting / eww, gross / it smells awful / that makes me sick / "
        "how nasty / yuck / seriously / look at this"
    ),
    "fear": (
        "I’m scared / please help me / watch out / something is out there / I’m afraid / "
        "we must hide / oh my God / I don’t know"
    ),
}
CUES = {emotion: cues.split(" / ") for emotion, cues in _CUES.items()}
CLAUSES = (
    "the {} is over there",
    "I saw the {} today",
    "we need the {}",
    "it’s about the {}",
    "look at the {}",
    "you left the {} here",
    "they sold the {}",
    "bring me the {}",
    "he took the {} home",
    "who has the {}",
    "she called about the {}",
    "that was the {}",
)
_TOPICS = """
    boat piano kettle garden ticket ladder rabbit blanket camera bridge pillow wagon lantern
    carpet violin pepper helmet castle magnet ribbon bucket tractor candle basket mirror napkin
    saddle turtle window cookie barrel feather hammer island jacket kitten lemon marble needle
    orchid parrot quilt rocket sailor teapot umbrella vase walnut yoghurt zebra anchor biscuit
    cactus drawer engine fossil guitar harbour igloo jigsaw kiosk locket mango nutmeg oyster
    pigeon quarry radio sponge tunnel uniform valley whistle yacht almond balcony chimney dolphin
    elbow fountain goggles hostel iceberg jungle kennel lobster museum notebook otter pancake
    quiver raft scooter temple urn velvet wardrobe yolk atlas bamboo canvas dentist easel falcon
    glacier hamster insect jersey ketchup lighthouse meadow nursery olive pyramid ranch stapler
    trumpet unicorn villa waffle acorn beetle cradle donkey envelope ferry grapefruit
"""
TOPICS_EACH = 2


def topics(number: int) -> tuple[str, ...]:
    """Topics of dialogue `number` (from 0) of a corpus, and of no other dialogue."""
    return tuple(_TOPICS.split()[TOPICS_EACH * number : TOPICS_EACH * (number + 1)])


def sentence(emotions: Sequence[str], about: Sequence[str], rng: np.random.Generator) -> str:
    """Make a sentence with these emotions about one of the topics; no emotion: neutral."""
    clause = str(rng.choice(CLAUSES)).format(rng.choice(about))
    kind, order = rng.random(), rng.random()
    if kind < NO_CUE:
        return _finished([clause], rng)
    cue_of = list(emotions) or ["neutral"]
    if kind < NO_CUE + WRONG_CUE:
        cue_of = [str(rng.choice(list(CUES)))]
    cues = [str(rng.choice(CUES[emotion])) for emotion in cue_of]
    if order < CUE_ALONE:
        return _finished(cues, rng)
    return _finished([*cues, clause] if order < CUE_FIRST else [clause, *cues], rng)


def _finished(phrases: Sequence[str], rng: np.random.Generator) -> str:
    text = ", ".join(phrases)
    return text[0].upper() + text[1:] + str(rng.choice([".", "!", "?"], p=[0.6, 0.3, 0.1]))
