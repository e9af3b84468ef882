"""What the options that every command has ask for."""

from dataclasses import dataclass, fields
from typing import Literal

Form = Literal["text", "json", "jsonl"]


@dataclass
class Options:
    """What is asked for; there is one such object a process, `options`."""

    debug: bool = False
    yes: bool = False
    no_input: bool = False
    quiet: bool = False
    verbosity: int = 0
    format: Form = "text"

    def reset(self) -> None:
        """Back to what holds if no option is given."""
        for field in fields(self):
            setattr(self, field.name, field.default)


options = Options()
