"""Notes of one run to the next: JSON, written whole or not at all."""

import json
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """Read a note; {} if there is none."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return value


def write(path: Path, value: Any) -> None:
    """Write a note."""
    partial_path = path.with_suffix(".part")
    partial_path.write_text(json.dumps(value), encoding="utf-8")
    partial_path.replace(path)
