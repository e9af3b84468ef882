"""Run the benchmarks whose names are given, or all: `python -m benchmarks [NAME …]`."""

import sys
from importlib import import_module
from pathlib import Path


def main(names: list[str]) -> None:
    """Run `main()` of each benchmark module in `names`, or of all."""
    known = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    if unknown := set(names) - set(known):
        sys.exit(f"no benchmark is named {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name in names or known:
        print(f"# {name}", flush=True)
        import_module(f"benchmarks.{name}").main()


main(sys.argv[1:])
