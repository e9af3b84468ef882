"""Settings of the test's own, in the environment and in a file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.diagnosis.looking import SetEnv
from udata.settings import Settings


@pytest.fixture
def give(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> SetEnv:
    """Set a setting in the environment."""
    return lambda name, value: monkeypatch.setenv(f"UDATA_{name}", value)


@pytest.fixture
def settings_file(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Write the settings file."""

    def write(text: str) -> Path:
        file = tmp_path / "udata.cfg"
        file.write_text(text, encoding="utf-8")
        monkeypatch.setenv("UDATA_SETTINGS", str(file))
        return file

    return write
