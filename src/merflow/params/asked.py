"""Which results ``run`` asks for: what a step that takes all of them can miss."""

from collections.abc import Mapping
from itertools import product
from typing import Any

from merflow.params.systems import Protocol


def asked(values: Mapping[str, Any]) -> dict[str, list[int]]:
    """Results that a slice of params.yaml asks for: ``results/<paper>/<system>/<corpus>-<protocol>`` -> its seeds, sorted.

    Args:
        values: dotted key -> value; of these ``axes.papers`` (merflow.selection) and, for the seeds, ``papers.<paper>.protocols`` are read.
    """
    found = {}
    for paper, groups in values["axes.papers"].items():
        protocols = {
            name: Protocol(**block) for name, block in values[f"papers.{paper}.protocols"].items()
        }
        for axis in groups.values():
            for system, corpus, protocol in product(
                axis["systems"], axis["corpora"], axis["protocols"]
            ):
                found[f"results/{paper}/{system}/{corpus}-{protocol}"] = sorted(
                    protocols[protocol].seeds
                )
    return found
