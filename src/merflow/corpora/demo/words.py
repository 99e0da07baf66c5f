"""What people say: cue phrases per emotion, clauses that fit any, and the topics of a dialogue.

Most sentences hold a cue of their emotion, some none or a wrong one; topics recur within a dialogue and nowhere
else, so they betray the dialogue, not the emotion.
"""

from collections.abc import Sequence

import numpy as np

NO_CUE, WRONG_CUE = 0.15, 0.08  # shares of sentences
CUE_ALONE, CUE_FIRST = 0.08, 0.55  # cumulative; the rest has the cue last

#: Some phrases stand under several emotions, as in life.
_CUES = {
    "neutral": "all right / I suppose so / as planned / by the way / as usual / look at this / I don’t know / you know",
    "joy": "that’s wonderful / I’m so happy / this is great / I love it / hooray for us / that’s so sweet / oh my God / look at this",
    "excitement": "I can’t wait / let’s go right now / this is amazing / we won it / I’m so excited / oh yes, yes / oh my God / come on",
    "surprise": "no way / wait, what / really, since when / that’s unexpected / wow / oh my God / I can’t believe it / seriously",
    "anger": "how dare you / stop it now / I’m so mad / leave me alone / I hate this / get out / I can’t believe it / come on",
    "frustration": "not again / it never works / I give up / it’s pointless / I’ve had enough / you never listen / seriously / come on",
    "sadness": "I’m so sorry / I miss her / it’s all gone / I feel so lonely / I could cry / we lost it / you know / I don’t know",
    "disgust": "that’s disgusting / eww, gross / it smells awful / that makes me sick / how nasty / yuck / seriously / look at this",
    "fear": "I’m scared / please help me / watch out / something is out there / I’m afraid / we must hide / oh my God / I don’t know",
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
    boat piano kettle garden ticket ladder rabbit blanket camera bridge pillow wagon lantern carpet violin pepper helmet
    castle magnet ribbon bucket tractor candle basket mirror napkin saddle turtle window cookie barrel feather hammer
    island jacket kitten lemon marble needle orchid parrot quilt rocket sailor teapot umbrella vase walnut yoghurt zebra
    anchor biscuit cactus drawer engine fossil guitar harbour igloo jigsaw kiosk locket mango nutmeg oyster pigeon
    quarry radio sponge tunnel uniform valley whistle yacht almond balcony chimney dolphin elbow fountain goggles hostel
    iceberg jungle kennel lobster museum notebook otter pancake quiver raft scooter temple urn velvet wardrobe yolk
    atlas bamboo canvas dentist easel falcon glacier hamster insect jersey ketchup lighthouse meadow nursery olive
    pyramid ranch stapler trumpet unicorn villa waffle acorn beetle cradle donkey envelope ferry grapefruit
"""
TOPICS_EACH = 2


def topics(number: int) -> tuple[str, ...]:
    """The words of dialogue `number` (from 0) of a corpus; no other dialogue of it has them."""
    return tuple(_TOPICS.split()[TOPICS_EACH * number : TOPICS_EACH * (number + 1)])


def sentence(emotions: Sequence[str], about: Sequence[str], rng: np.random.Generator) -> str:
    """Something to say with these emotions (none: neutral) about one of the topics."""
    clause = str(rng.choice(CLAUSES)).format(rng.choice(about))
    chance, alone = rng.random(), rng.random()
    if chance < NO_CUE:
        return _finished([clause], rng)
    meant = (
        [str(rng.choice(list(CUES)))]
        if chance < NO_CUE + WRONG_CUE
        else list(emotions) or ["neutral"]
    )
    cues = [str(rng.choice(CUES[emotion])) for emotion in meant]
    parts = cues if alone < CUE_ALONE else [*cues, clause] if alone < CUE_FIRST else [clause, *cues]
    return _finished(parts, rng)


def _finished(parts: Sequence[str], rng: np.random.Generator) -> str:
    text = ", ".join(parts)
    return text[0].upper() + text[1:] + str(rng.choice([".", "!", "?"], p=[0.6, 0.3, 0.1]))
