from pathlib import Path

import pytest
from support.custom_clips import build


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    """Folder of a project with a custom corpus and trained systems."""
    return build(tmp_path_factory.mktemp("project"))
