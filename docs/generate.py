"""Write the pages of the documentation that say what the code says: `cli.md` and `settings.md`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from udata.commands.root import LazyGroup, build
from udata.setting_rows import IGNORED, SETTINGS, Setting
from udata.settings import PREFIX

FOLDER = Path(__file__).parent


def commands(root: LazyGroup | None = None) -> Iterator[click.Context]:
    """A context for each command and group of the command line, depth first, the root before its groups."""
    root = root or build()
    for name in list(root.table):
        root.commands[name] = root.load_command(name)
    yield from _below(click.Context(root, info_name="udata"))


def _below(ctx: click.Context) -> Iterator[click.Context]:
    yield ctx
    if isinstance(ctx.command, click.Group):
        for name in sorted(ctx.command.commands):
            command = ctx.command.commands[name]
            yield from _below(click.Context(command, info_name=name, parent=ctx, **command.context_settings))


def cli_page() -> str:
    """The reference of the command line."""
    parts = ["# Command reference", "Generated from the commands' own help by `make docs`."]
    for ctx in commands():
        parts.append(f"## {ctx.command_path}")
        parts.append(f"```text\n{_help(ctx)}\n```")
    return "\n\n".join(parts) + "\n"


def _help(ctx: click.Context) -> str:
    ctx.terminal_width = ctx.max_content_width = 100
    return "\n".join(line.rstrip() for line in ctx.command.get_help(ctx).splitlines())


def settings_page() -> str:
    """The reference of the settings."""
    rows = [f"| `{setting.name}` | {_type(setting)} | {_default(setting)} | {setting.meaning} |"
            for setting in SETTINGS]  # fmt: skip
    ignored = [f"| `{name}` | {why} |" for name, why in IGNORED.items()]
    return "\n".join(
        [
            "# Settings",
            "",
            "Generated from `udata/setting_rows.py` by `make docs`.",
            "A setting stands in the Python file that `UDATA_SETTINGS` names, or in the environment with the prefix",
            f"`{PREFIX}`, where a text is taken as it stands and everything else is JSON.",
            "",
            "| setting | type | default | meaning |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "These settings of a portal are ignored, with a notice:",
            "",
            "| setting | why |",
            "| --- | --- |",
            *ignored,
            "",
        ]
    )


def _type(setting: Setting) -> str:
    word = {str: "text", int: "whole number", float: "number", bool: "true or false", list: "list"}.get(
        setting.type, "mapping"
    )
    return f"{word}, {setting.range}" if setting.range else word


def _default(setting: Any) -> str:
    if setting.default is None:
        return "none"
    return re.sub(r"\|", r"\\|", f"`{setting.default!r}`" if setting.type is not str else f"`{setting.default}`")


PAGES = {"cli.md": cli_page, "settings.md": settings_page}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
