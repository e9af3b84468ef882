"""`udata completion`: the completion script of a shell."""

import click

from udata.commands import output
from udata.commands.base import Command

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def group(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    Load it from the shell's start-up file, as in `source <(udata completion bash)`.

    \b
    Example:
      $ udata completion bash
    """
    from click.shell_completion import get_completion_class

    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"Click knows no completion for {shell}")
    output.block(completion(ctx.find_root().command, {}, "udata", "_UDATA_COMPLETE").source())
