"""`python -m udata` is the command `udata`."""

from udata.commands.root import run

run()
