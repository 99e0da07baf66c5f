"""Known class counts of corpora by split, which weight the means of printed scores.

They come from the corpus modules, which check the files on disk against the same counts. Counts of
releases that the modules do not read come from the literature.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from merflow.corpora import iemocap, meld, mosei

#: IEMOCAP with the labels of the DialogueRNN line of work: 7,433 utterances in six classes, with
#: more happiness than the corpus itself. Test is session 5. Papers that cite this line compare
#: with it. Recounted from the label file of MERBench; the sizes are in joint_cnn, section 5.2.
DIALOGUE_RNN = {
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
#: CMU-MOSEI before its labels were released again:
#: https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK/issues/98
EARLIER_MOSEI = {"train": 15290, "dev": 2291, "test": 4832}
DAI = "release of Dai et al. (2021)"
#: CMU-MOSEI of Dai et al. (2021), mel_cnn_bert's reference 37: segments by split, and label
#: instances of all splits, for a segment with several emotions has one of each.
DAI_MOSEI = {"train": 14524, "dev": 1765, "test": 4188}
DAI_INSTANCES = {
    "happy": 10752,
    "sad": 5601,
    "anger": 4600,
    "surprise": 2055,
    "disgust": 3755,
    "fear": 1803,
}


@dataclass(frozen=True)
class Support:
    """Utterances by class in a split of a release.

    Attributes:
        release: name of the release.
        split: train, dev or test. Empty: the whole corpus.
        counts: class -> utterances. Where only the sum is known, it stands under the class "".
        unit: utterances, or instances: an utterance counts once for each of its labels.
    """

    release: str
    split: str
    counts: Mapping[str, int]
    unit: str = "utterances"

    @property
    def size(self) -> int:
        """Utterances in all."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        return f"{self.release}, {self.split or 'all splits'}"


def supports_of(corpus: str) -> list[Support]:
    """List the known supports of a corpus."""
    return list(_SUPPORTS[corpus]()) if corpus in _SUPPORTS else []


def _meld() -> Iterator[Support]:
    whole: Counter[str] = Counter()
    for split, counts in meld.EXPECTED.items():
        yield Support("official", split, counts)
        whole.update(counts)
    yield Support("official", "", {name: whole[name] for name in meld.EXPECTED["test"]})


def _iemocap() -> Iterator[Support]:
    official = {"": iemocap.EXPECTED["all"], "test": iemocap.EXPECTED["Ses05"]}
    for release, splits in (("official", official), ("DialogueRNN's labels", DIALOGUE_RNN)):
        yield from (Support(release, split, counts) for split, counts in splits.items())
        train = {name: count - splits["test"][name] for name, count in splits[""].items()}
        yield Support(release, "train", train)


def _mosei() -> Iterator[Support]:
    for split, counts in mosei.EXPECTED.items():
        yield Support("official", "" if split == "all" else split, {"": counts["all"]})
    releases = {"earlier release": EARLIER_MOSEI, DAI: DAI_MOSEI}
    for release, splits in releases.items():
        yield from (Support(release, split, {"": count}) for split, count in splits.items())
    yield Support(DAI, "", {"": sum(DAI_MOSEI.values())})
    yield Support(DAI, "", DAI_INSTANCES, "instances")


_SUPPORTS = {"meld": _meld, "iemocap": _iemocap, "mosei": _mosei}
