"""Command line of ``predict``: its option ``--model`` may stand without a value."""

from typing import Any

from typer.core import TyperCommand


class ModelOptional(TyperCommand):
    """A command that takes ``--model`` without a value for no ``--model``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Leave out ``--model`` where no value follows."""
        pairs = zip(args, [*args, "--"][1:], strict=True)
        kept = [one for one, after in pairs if one != "--model" or not after.startswith("--")]
        return super().parse_args(ctx, kept)
