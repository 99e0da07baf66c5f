"""How many utterances of each class the parts of a corpus hold: what weighted means of printed scores are weighed with.

From the corpus modules, which hold what is on disk against the same counts; and of releases that they do not read, from the literature.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from merflow.corpora import iemocap, meld, mosei

#: IEMOCAP as the DialogueRNN line of work labels it (7,433 utterances in six classes), which papers that cite it compare with: more of them
#: happiness than in the corpus itself. Test: session 5. Recounted from the label file of MERBench; the sizes are those of joint_cnn
#: section 5.2.
LITERATURE = {
    "": {
        "happiness": 648,
        "sadness": 1084,
        "neutral": 1708,
        "anger": 1103,
        "excitement": 1041,
        "frustration": 1849,
    },
    "test": {
        "happiness": 144,
        "sadness": 245,
        "neutral": 384,
        "anger": 170,
        "excitement": 299,
        "frustration": 381,
    },
}
#: CMU-MOSEI before its labels were released anew: https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK/issues/98
EARLIER = {"train": 15290, "dev": 2291, "test": 4832}


@dataclass(frozen=True)
class Support:
    """Utterances by class of a part (`split`; empty: all of the corpus) of a release; where no more is known, all under the class ""."""

    release: str
    split: str
    counts: Mapping[str, int]

    @property
    def size(self) -> int:
        """Utterances in all."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        return f"{self.release}, {self.split or 'all parts'}"


def known(corpus: str) -> list[Support]:
    """What is known of a corpus; of others than these nothing."""
    return list(_KNOWN[corpus]()) if corpus in _KNOWN else []


def _meld() -> Iterator[Support]:
    yield from (Support("official", split, counts) for split, counts in meld.EXPECTED.items())
    yield Support(
        "official",
        "",
        {
            name: sum(counts[name] for counts in meld.EXPECTED.values())
            for name in meld.EXPECTED["test"]
        },
    )


def _iemocap() -> Iterator[Support]:
    official = {"": iemocap.EXPECTED["all"], "test": iemocap.EXPECTED["Ses05"]}
    for release, parts in (("official", official), ("DialogueRNN's labels", LITERATURE)):
        yield from (Support(release, split, counts) for split, counts in parts.items())
        yield Support(
            release,
            "train",
            {name: count - parts["test"][name] for name, count in parts[""].items()},
        )


def _mosei() -> Iterator[Support]:
    for split, counts in mosei.EXPECTED.items():
        yield Support("official", "" if split == "all" else split, {"": counts["all"]})
    yield from (Support("earlier release", split, {"": count}) for split, count in EARLIER.items())


_KNOWN = {"meld": _meld, "iemocap": _iemocap, "mosei": _mosei}
