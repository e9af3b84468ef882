"""How long a command takes to start, as a ratio to `python -c "import click"` in the same run, and
how many seconds a shell waits for what it completes.
"""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from udata.embedded import supervisor

ROUNDS = 15
UDATA = [sys.executable, "-m", "udata"]

# command: (goal as a ratio to `import click`); what talks to the database may take the time of its work beside.
GOALS = {
    ("-?",): 1.6,
    ("job", "list"): 2.0,
    ("user", "-?"): 2.0,
    ("db", "status"): 8.0,
    ("user", "list"): 8.0,
    ("job", "history"): 8.0,
}
# What a shell asks for when somebody presses Tab behind these words; nobody waits longer than these seconds.
COMPLETED = (("job", "run"), ("job", "show"), ("user", "show"), ("db", "check-integrity", "--models"))
PATIENCE = 0.3


def main() -> None:
    """Print the median of each command; rounds are interleaved, so that a busy machine hits all alike."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UDATA_")}
    with TemporaryDirectory() as folder:
        environment = {**kept, "PYTHONDONTWRITEBYTECODE": "", "UDATA_HOME": folder}
        try:
            measure(environment)
        finally:
            supervisor.stop(Path(folder))


def measure(environment: dict[str, str]) -> None:
    """Print the ratios, and the seconds of completions. The first round, which starts the servers, does not count."""
    base = [sys.executable, "-c", "import click"]
    ratios: dict[tuple[str, ...], list[float]] = {arguments: [] for arguments in GOALS}
    completions: dict[tuple[str, ...], list[float]] = {words: [] for words in COMPLETED}
    for number in range(ROUNDS + 1):
        unit = seconds(base, environment)
        for arguments, found in ratios.items():
            found.append(seconds([*UDATA, *arguments], environment) / unit)
        for words, found in completions.items():
            asked = {"COMP_WORDS": f"udata {' '.join(words)} ", "COMP_CWORD": str(len(words) + 1)}
            found.append(seconds(UDATA, {**environment, **asked, "_UDATA_COMPLETE": "bash_complete"}))
        if not number:
            for found in (*ratios.values(), *completions.values()):
                found.clear()
    for arguments, goal in GOALS.items():
        print(f"udata {' '.join(arguments):20} {median(ratios[arguments]):5.2f} x import click (goal {goal})")
    for words, found in completions.items():
        print(f"udata {' '.join(words)} <Tab>: {median(found):.2f} s (goal {PATIENCE})")


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """How long `command` takes as a whole process."""
    start = perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return perf_counter() - start
