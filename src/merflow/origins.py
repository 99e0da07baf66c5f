"""Origins of corpora and checkpoints: publishers and demos, or files of the user.

DVC hashes a user's folders and tables itself, because stages of dvc.yaml name them. DVC's templates
have no conditions. So corpora and checkpoints from a folder have stages of their own.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from merflow import paths, registry
from merflow.corpora.corpus import Source
from merflow.errors import ParamsError
from merflow.provenance import constant

#: Stands in dvc.yaml for a folder that is not on this machine. Both stages and copies stay valid:
#: DVC compares the dependencies that are named, with what dvc.lock says of them.
ABSENT = "workflow/absent_folder"
Items = dict[str, dict[str, str]]  # name of a corpus or checkpoint -> ``item`` of its stage


def origins(
    params: Mapping[str, Any], corpora: Iterable[str], checkpoints: Iterable[str], root: Path
) -> dict[str, Items]:
    """Compute ``${axes.origins...}`` of dvc.yaml: stage -> its items.

    Args:
        params: params.yaml, complete and checked.
        corpora: names of selected corpora.
        checkpoints: names of selected checkpoints.
        root: the checkout.
    """
    stages = ("fetch", "fetch_folder", "prepare", "prepare_own", "checkpoint", "checkpoint_folder")
    items: dict[str, Items] = {stage: {} for stage in stages}
    for corpus in corpora:
        source, item = params["corpora"][corpus], {"corpus": corpus}
        folder = None if source["source"] in ("demo", "official") else source["source"]
        _add(items, "fetch", corpus, item, folder, root / paths.RAW.format(corpus=corpus), root)
        if table := source.get("annotations"):
            items["prepare_own"][corpus] = item | {"annotations": path_of(table)}
        else:
            items["prepare"][corpus] = item
    for name in checkpoints:
        copy = root / paths.CHECKPOINT.format(checkpoint=name)
        folder = params["checkpoints"][name].get("folder")
        _add(items, "checkpoint", name, {"checkpoint": name}, folder, copy, root)
    return items


def official_sources(corpus: str) -> tuple[Source, ...]:
    """Files that ``source: official`` downloads, without the imports of the corpus' module."""
    sources: tuple[Source, ...] = constant(registry.CORPORA[corpus], "SOURCES", Source=Source)
    return sources


def path_of(written: str) -> str:
    """Path of a user's file or folder, from the checkout, as both tools name it."""
    try:
        return os.path.normpath(paths.of_user(written))
    except ParamsError:  # ~name of somebody who is not on this machine: absent
        return written


def _add(
    items: dict[str, Items],
    stage: str,
    name: str,
    item: dict[str, str],
    folder: str | None,
    copy: Path,
    root: Path,
) -> None:
    if folder is None:
        items[stage][name] = item
    else:
        items[f"{stage}_folder"][name] = item | {"folder": _present(path_of(folder), copy, root)}


def _present(folder: str, copy: Path, root: Path) -> str:
    """`folder`, or ABSENT where it cannot be read.

    A folder that is or holds its own copy would be a cycle for DVC; the step refuses it by name.
    """
    place = root / folder
    if not (os.access(place, os.R_OK | os.X_OK) and place.is_dir()):
        return ABSENT
    real, real_copy = place.resolve(), copy.resolve()
    cyclic = real.is_relative_to(real_copy) or real_copy.is_relative_to(real)
    return ABSENT if cyclic else folder
