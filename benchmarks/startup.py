"""How long a command takes to start, as a ratio to `python -c "import click"` in the same run."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from udata.embedded import supervisor

ROUNDS = 15

# command: (goal as a ratio to `import click`); what talks to the database may take the time of its work beside.
GOALS = {
    ("-?",): 1.6,
    ("job", "list"): 2.0,
    ("user", "-?"): 2.0,
    ("db", "status"): 8.0,
    ("user", "list"): 8.0,
    ("job", "history"): 8.0,
}


def main() -> None:
    """Print the median ratio of each command; rounds are interleaved, so that a busy machine hits all alike."""
    base = [sys.executable, "-c", "import click"]
    commands = {arguments: [sys.executable, "-m", "udata", *arguments] for arguments in GOALS}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UDATA_")}
    with TemporaryDirectory() as folder:
        environment = {**kept, "PYTHONDONTWRITEBYTECODE": "", "UDATA_HOME": folder}
        try:
            measure(base, commands, environment)
        finally:
            supervisor.stop(Path(folder))


def measure(base: list[str], commands: dict[tuple[str, ...], list[str]], environment: dict[str, str]) -> None:
    """Print the ratios. The first round, which starts the servers, does not count."""
    ratios: dict[tuple[str, ...], list[float]] = {arguments: [] for arguments in commands}
    for number in range(ROUNDS + 1):
        unit = seconds(base, environment)
        for arguments, command in commands.items():
            ratio = seconds(command, environment) / unit
            if number:
                ratios[arguments].append(ratio)
    for arguments, goal in GOALS.items():
        print(f"udata {' '.join(arguments):20} {median(ratios[arguments]):5.2f} x import click (goal {goal})")


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """How long `command` takes as a whole process."""
    start = perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return perf_counter() - start
