"""Reasons why a system of a paper has no scores on a corpus."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple, get_args

from merflow.corpora.labels import CLASSES
from merflow.evaluation.scored import MissingResult
from merflow.params.systems import StageParams
from merflow.params.whole import RunParams

#: Modalities of a clip.
OF_CLIPS = {"audio", "video"}

#: Paper -> list of params.yaml -> modalities that its systems need (merflow.selection).
Modalities = Mapping[str, Mapping[str, Sequence[str]]]


class Absence(NamedTuple):
    """Facts that explain why systems of a paper have no scores on a corpus.

    Attributes:
        paper, corpus: keys.
        missing: expected results that are absent or were refused.
        modalities: list of params.yaml -> modalities that its systems need.
        no_clips: the corpus is prepared, and no utterance has a clip.
    """

    paper: str
    corpus: str
    missing: tuple[MissingResult, ...] = ()
    modalities: Mapping[str, Sequence[str]] = {}
    no_clips: bool = False

    def reason(self, system: str) -> str:
        """Reason: the result is missing, the corpus has no clips, or params.yaml disables it.

        Remarks of a note are separated by "; ", so a reason has none.
        """
        messages = [result.message for result in self.missing if result.system == system]
        if messages:
            return "; ".join(message.replace("; ", ", ") for message in messages)
        group = _groups(self.paper).get(system)
        if self.no_clips and group and OF_CLIPS & set(self.modalities.get(group, ())):
            corpus = self.corpus.upper() if self.corpus in CLASSES else self.corpus
            return f"not run: {corpus} has no clips here"
        key = ".".join(filter(None, ("run", self.paper, group)))
        return f"not run: disabled in params.yaml ({key})"


@cache
def _groups(paper: str) -> dict[str, str]:
    """System -> key of the list under run.<paper> that switches it on and off."""
    run = RunParams.model_fields.get(paper)
    groups: dict[str, str] = {}
    for name, field in run.annotation.model_fields.items() if run else ():  # type: ignore[union-attr]
        if isinstance(field.annotation, type) and issubclass(field.annotation, StageParams):
            (systems,) = get_args(field.annotation.model_fields["systems"].annotation)
            groups |= dict.fromkeys(get_args(systems), name)
    return groups
