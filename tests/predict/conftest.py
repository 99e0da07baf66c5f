from pathlib import Path

import pytest
from support.custom_clips import build


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    """See `own_clips.build`."""
    return build(tmp_path_factory.mktemp("place"))
