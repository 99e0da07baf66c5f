"""Every command in the documents runs, in the order of its page, or says what it needs."""

import re
from pathlib import Path

import pytest
from support import ROOT

#: Lines with such a comment are not run.
NEEDS = re.compile(r"# needs (the real corpora|a cluster|GPUs|a GPU|an hour)")
#: Commands that are run elsewhere, each with the file that runs it.
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
    """Lines of the bash blocks of a page, without comments."""
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


def test_commands_that_run_elsewhere_do():
    for command, path in ELSEWHERE.items():
        assert command.split()[-1] in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_a_page_run(page, real_checkout, tools, tmp_path):
    checkout = real_checkout(tmp_path / "checkout", tools)
    own_commands = [command for command in commands(page) if command not in ELSEWHERE]
    assert own_commands
    for command in own_commands:
        checkout.run("bash", "-c", command)
