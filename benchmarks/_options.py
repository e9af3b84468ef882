"""What the benchmarks on a large portal take from their command lines."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Options(NamedTuple):
    """How many documents the portal has, and how often it is measured."""

    documents: int
    rounds: int


def options(arguments: Sequence[str], documents: int, rounds: int, reference: Path) -> Options | None:
    """The options, by default those given; None, and a word why, if what the portal is cloned from is not there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=documents)
    parser.add_argument("--rounds", type=int, default=rounds)
    found = parser.parse_args(arguments)
    if not reference.is_dir():
        print(f"left out: {reference} is not there")
        return None
    return Options(found.documents, found.rounds)
