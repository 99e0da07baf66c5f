"""Every command in the documents runs, in a checkout of this state and in the order of its page, or says what it needs."""

import re
from pathlib import Path

import pytest
from support import ROOT

#: a line with such a comment is not run here
NEEDS = re.compile(r"# needs (the real corpora|a cluster|GPUs|a GPU|an hour)")
#: and these are run by what the path names
ELSEWHERE = {
    "make test": ".ci/run",
    "python benchmarks/paper_scale.py --small": "tests/test_benchmarks.py",
}
PAGES = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if "```bash" in path.read_text(encoding="utf-8")
]


def commands(page: Path) -> list[str]:
    """Lines of the blocks of bash, without comments."""
    blocks = re.findall(
        r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    lines = [
        line
        for block in blocks
        for line in block.splitlines()
        if line.strip() and not NEEDS.search(line)
    ]
    return [line.split("  #")[0].strip() for line in lines]


def test_what_is_run_elsewhere_is():
    for command, where in ELSEWHERE.items():
        assert command.split()[-1] in (ROOT / where).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_a_page_run(page, real_checkout, tools, tmp_path):
    checkout = real_checkout(tmp_path / "checkout", tools)
    asked = [command for command in commands(page) if command not in ELSEWHERE]
    assert asked
    for command in asked:
        checkout.run("bash", "-c", command)
