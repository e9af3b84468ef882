"""How long a command takes to start, as a ratio to `python -c "import click"` in the same run."""

import os
import subprocess
import sys
from statistics import median
from time import perf_counter

ROUNDS = 15

# command: (goal as a ratio to `import click`)
GOALS = {
    ("-?",): 1.6,
    ("job", "list"): 2.0,
    ("user", "-?"): 2.0,
    ("db", "status"): 8.0,
}


def main() -> None:
    """Print the median ratio of each command; rounds are interleaved, so that a busy machine hits all alike."""
    base = [sys.executable, "-c", "import click"]
    commands = {arguments: [sys.executable, "-m", "udata", *arguments] for arguments in GOALS}
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    seconds(base, environment), [seconds(command, environment) for command in commands.values()]
    ratios: dict[tuple[str, ...], list[float]] = {arguments: [] for arguments in GOALS}
    for _ in range(ROUNDS):
        unit = seconds(base, environment)
        for arguments, command in commands.items():
            ratios[arguments].append(seconds(command, environment) / unit)
    for arguments, goal in GOALS.items():
        print(f"udata {' '.join(arguments):20} {median(ratios[arguments]):5.2f} x import click (goal {goal})")


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """How long `command` takes as a whole process."""
    start = perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return perf_counter() - start
