"""Documents: JSON files that one step writes and later steps read, as typed models."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from merflow.errors import StoreError, os_reason


class Document(BaseModel):
    """Model of a document, or of a piece of it.

    It has no unknown keys and is never changed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=Document)


def read_document(path: Path, model: type[Model], advice: str) -> Model:
    """Read a document.

    Args:
        path: JSON file.
        model: of its content.
        advice: what to do if it cannot be read; ends the message.

    Raises:
        StoreError: the file is absent, unreadable, or does not fit the model.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {os_reason(error)}; {advice}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "content"
        raise StoreError(f"{path}: {place}: {first['msg'].lower()}; {advice}") from error
