"""Files that stand for others: pointers of Git LFS and of git-annex."""

from pathlib import Path

LFS = b"version https://git-lfs.github.com/spec/v1"
ANNEX = ".git/annex/objects/"  # in the target of a link
UNLOCKED = b"/annex/objects/"  # beginning of a file


def pointer(path: Path) -> str | None:
    """Say that `path` is a pointer, and how to get the file.

    None: it is not a pointer. An absent or unreadable file is not a pointer.
    """
    try:
        if path.is_symlink() and not path.exists() and ANNEX in path.readlink().as_posix():
            return (
                "a link of git-annex to a file that is not here; run `git annex get` in its folder"
            )
        if not path.is_file():
            return None  # a pipe would block
        with path.open("rb") as file:
            head = file.read(len(LFS))
    except (OSError, ValueError):
        return None
    if head == LFS:
        return "a pointer of Git LFS, not the file; run `git lfs pull` in its folder"
    if head.startswith(UNLOCKED):
        return "a pointer of git-annex, not the file; run `git annex get` in its folder"
    return None
