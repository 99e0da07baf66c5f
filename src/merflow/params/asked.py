"""Which results ``run`` asks for: what a step that takes all of them can miss."""

from collections.abc import Mapping
from itertools import product
from typing import Any

from merflow.params.systems import Protocol


def asked(values: Mapping[str, Any]) -> dict[str, list[int]]:
    """Results that a slice of params.yaml asks for: ``results/<paper>/<system>/<corpus>-<protocol>`` -> its seeds, sorted.

    Args:
        values: dotted key -> value; of these ``run.<paper>`` and, for the seeds, ``papers.<paper>.protocols`` are read.
    """
    found = {}
    for key, run in values.items():
        paper = key.removeprefix("run.")
        if f"papers.{paper}.protocols" not in values or paper == key:
            continue
        protocols = {name: Protocol(**block) for name, block in values[f"papers.{paper}.protocols"].items()}
        for rows in (value for value in run.values() if isinstance(value, dict)):
            for system, corpus, protocol in product(rows["systems"], rows["corpora"], run["protocols"]):
                found[f"results/{paper}/{system}/{corpus}-{protocol}"] = sorted(protocols[protocol].seeds)
    return found
