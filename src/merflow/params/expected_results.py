"""Results that ``run`` asks for.

A step that takes all of them notices absent ones.
"""

from collections.abc import Mapping
from itertools import product
from typing import Any

from merflow.params.systems import ProtocolParams
from merflow.params.validation import validated
from merflow.paths import RESULT


def expected_results(values: Mapping[str, Any]) -> dict[str, list[int]]:
    """Folder of each result that params.yaml asks for, with its seeds, sorted.

    Args:
        values: dotted key -> value: ``axes.papers`` (merflow.selection), and for each paper there
            ``papers.<paper>.protocols``.

    Returns:
        ``results/<paper>/<system>/<corpus>-<protocol>`` -> seeds.
    """
    results = {}
    for paper, stages in values["axes.papers"].items():
        key = f"papers.{paper}.protocols"
        protocols = {
            name: validated(ProtocolParams, params, f"{key}.{name}")
            for name, params in values[key].items()
        }
        for axes in stages.values():
            runs = product(axes["systems"], axes["corpora"], axes["protocols"])
            for system, corpus, protocol in runs:
                folder = RESULT.format(paper=paper, system=system, corpus=corpus, protocol=protocol)
                results[folder] = sorted(protocols[protocol].seeds)
    return results
