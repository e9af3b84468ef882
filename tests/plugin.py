"""Jobs of another package, as an installer leaves it, for the tests' own processes."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]


def install_jobs(folder: Path, module: str) -> dict[str, str]:
    """Declare `module`, which may be one of the tests', as a plugin; returns the variables of a process that has it."""
    name = module.rpartition(".")[2]
    declared = folder / f"{name}-1.0.dist-info"
    declared.mkdir(parents=True)
    (declared / "entry_points.txt").write_text(f"[udata.jobs]\n{name} = {module}\n", encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
