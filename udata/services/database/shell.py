"""A shell on the database: MongoDB's own if it is installed, else a Python prompt."""

import code
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pymongo.database import Database

from udata.store.connection import address, translated_errors

MONGOSH = "mongosh"


def open_shell(database: Database[dict[str, Any]], settings: Mapping[str, Any], say: Callable[[str], None]) -> int:
    """Let the operator type into the database until the shell ends; returns its exit code.

    The address, which holds the password, is handed over in a file that the owner alone can read: arguments are seen
    by every user of the machine. Raises ServerError.
    """
    with translated_errors():
        # A server that is away is told of here, and not by a shell that starts in vain.
        database.command("ping")
    program = shutil.which(MONGOSH)
    if program is None:
        say(f"{MONGOSH} is not installed: this is a Python prompt, with the database as `db`; Ctrl-D ends it")
        code.interact(banner="", exitmsg="", local={"db": database})
        return 0
    handle, name = tempfile.mkstemp(suffix=".js", prefix="udata-")
    try:
        with os.fdopen(handle, "w") as script:
            script.write(f"db = connect({json.dumps(address(settings))});\n")
        # What is started is found by its name, and given a name of ours.
        return subprocess.run([program, "--quiet", "--nodb", "--shell", name], check=False).returncode  # noqa: S603
    finally:
        # The password in it does not outlive the shell.
        Path(name).unlink(missing_ok=True)
