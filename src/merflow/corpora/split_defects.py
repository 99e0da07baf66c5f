"""Defects of a custom corpus' splits: shared speakers and dialogues, unequal folds."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from merflow.artifacts import Defect
from merflow.corpora.annotations import Annotations
from merflow.corpora.units import MAX_SHARE
from merflow.progress import log

PAIRS = (("train", "test"), ("train", "dev"), ("dev", "test"))
MOST = 3  # speakers, or defects, that a message names


def split_text(annotations: Annotations) -> str:
    """Name the splits: given ones, or folds and the units that they keep whole."""
    if annotations.scheme == "given":
        return "train, dev and test as given"
    has_dialogues = any(row.dialogue for row in annotations.rows)
    unit = {
        ("speakers", True): "whole speakers and dialogues",
        ("speakers", False): "whole speakers",
        ("dialogues", True): "whole dialogues",
        ("dialogues", False): "single utterances",
    }[annotations.scheme, has_dialogues]
    return f"{annotations.folds} folds of {unit}"


def split_defects(annotations: Annotations) -> list[Defect]:
    """List the defects of given splits or of folds."""
    given, action = annotations.scheme == "given", split_text(annotations)
    defects = [] if given else [*_by_dialogue(annotations), *_unequal(annotations)]
    names = {
        "speaker": [row.speaker for row in annotations.rows],
        "dialogue": [row.dialogue for row in annotations.rows],
    }
    for (kind, of_rows), (first, second) in product(names.items(), PAIRS if given else PAIRS[:1]):
        counts = _shared(of_rows, annotations.splits, first, second)
        for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            detail = f"{name}: {count} rows of {second}"
            defects.append(Defect(None, f"{kind} in {first} and {second}", detail, action))
    return defects


def log_summary(defects: Iterable[Defect]) -> None:
    """Log a line per kind of defect: the first few, and the number of others."""
    kinds: dict[str, list[Defect]] = defaultdict(list)
    for defect in defects:
        kinds[defect.kind].append(defect)
    for kind, of_kind in kinds.items():
        named = "; ".join(defect.detail for defect in of_kind[:MOST])
        more = f" (and {len(of_kind) - MOST} more)" if len(of_kind) > MOST else ""
        log.warning("%s: %s%s; %s", kind, named, more, of_kind[0].action)


def _shared(
    names: Sequence[str], folds: Iterable[Sequence[str]], first: str, second: str
) -> Counter[str]:
    """Count rows of the split `second` by name, for names that `first` has too.

    Args:
        names: of each row; an empty one is not shared.
        folds: split of each row, by fold.
        first, second: splits.
    """
    counts = Counter[str]()
    for splits in folds:
        placed = list(zip(names, splits, strict=True))
        in_first = {name for name, split in placed if name and split == first}
        counts.update(name for name, split in placed if split == second and name in in_first)
    return counts


def _by_dialogue(annotations: Annotations) -> Iterator[Defect]:
    """Folds of dialogues share speakers, known or unknown."""
    if annotations.scheme == "dialogues":
        kind, detail = "speakers not kept apart", "no row names a speaker"
        if any(row.speaker for row in annotations.rows):
            detail = _tied(annotations)
        yield Defect(None, kind, detail, split_text(annotations))


def _tied(annotations: Annotations) -> str:
    """Reason why folds of whole speakers are impossible, its cost, and the ways out."""
    rows, speakers = annotations.rows, [row.speaker for row in annotations.rows]
    sizes = Counter(annotations.folding.components)
    n_dialogues = len({row.dialogue_id for row in rows})
    of_speaker = Counter(name for name, _ in {(row.speaker, row.dialogue_id) for row in rows})
    (first, count), *others = sorted(of_speaker.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{first} is in {count} of {n_dialogues} dialogues"]
    named += [f"{name} in {count}" for name, count in others[: MOST - 1]]
    n_shared = _shared(speakers, annotations.splits, "train", "test").total()
    return (
        f"{max(sizes.values())} of {len(rows)} utterances are in one group of connected speakers"
        f" and dialogues (groups in all: {len(sizes)}); {', '.join(named)}; {n_shared} of"
        f" {len(rows)} test rows share their speaker with train; a name is one person in all"
        " dialogues: if it is not, write <dialogue>/<name>, or leave the column speaker empty"
    )


def _unequal(annotations: Annotations) -> Iterator[Defect]:
    """A fold with most of the rows: its model is trained on few."""
    sizes = Counter(annotations.folding.fold_of)
    (fold, largest), *_ = sizes.most_common()
    if largest > MAX_SHARE * len(annotations.rows):
        detail = f"fold {fold} has {largest} of {len(annotations.rows)} utterances"
        yield Defect(None, "folds unequal", detail, split_text(annotations))
