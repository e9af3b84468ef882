"""What can go wrong while a catalogue is read.

HarvestError                 1   a catalogue could not be harvested
├── UnreadableCatalogue      1   the content is no catalogue in any format that is read here
│   └── UnsafeContent        1   it would exhaust the machine: an entity bomb, endless nesting, too large
├── NoArea                   1   a text is no area: caught, and noted beside the record
├── NoRecord                 1   an entry describes nothing: caught, and told beside the others
├── RemoteFault              1   the other portal answered with an error of its own
├── EndlessPaging            1   its pages lead in a circle, elsewhere, or on without end
└── FarFromBefore            1   it has far more or fewer entries than the portal has documents of it
"""

from udata.errors import UdataError


class HarvestError(UdataError):
    """A catalogue could not be harvested."""


def reason_of(error: Exception) -> str:
    """Why an entry could not be read: what was raised for it in words, or what it made a reader stumble over."""
    return error.message if isinstance(error, UdataError) else f"{type(error).__name__}: {error}"


class UnreadableCatalogue(HarvestError):
    """The content is no catalogue in any format that is read here."""


class UnsafeContent(UnreadableCatalogue):
    """Reading it would exhaust the machine, or open what it must not."""


class NoArea(HarvestError):
    """A text that is no area, with the reason."""


class NoRecord(HarvestError):
    """An entry of a catalogue that describes nothing which could be kept, with the reason."""


class RemoteFault(HarvestError):
    """The other portal answered with an error of its own. `code` is the portal's word for it, if it has one."""

    def __init__(self, message: str, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message, hint)
        self.code = code


class EndlessPaging(HarvestError):
    """The pages of a catalogue lead in a circle, to another server, or on without end."""


class FarFromBefore(HarvestError):
    """A source has far more or fewer entries than the portal has documents of it: nothing was written."""
