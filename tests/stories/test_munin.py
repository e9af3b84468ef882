"""The plugin that the project ships, run by the munin-node that is installed."""

import getpass
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import skip_or_fail
from udata.runner.enqueue import enqueue

pytestmark = pytest.mark.slow

PLUGIN = Path(__file__).parents[2] / "contrib/munin/udata_"

Munin = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def munin(settings: Any, tmp_path: Path) -> Munin:
    """A function that runs the plugin, linked for each queue, as munin-node does."""
    program = shutil.which("munin-run", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        skip_or_fail("munin-node is not installed")
    plugins, configuration = tmp_path / "plugins", tmp_path / "plugin-conf.d"
    plugins.mkdir()
    configuration.mkdir()
    for queue in ("high", "default", "low"):
        (plugins / f"udata_{queue}").symlink_to(PLUGIN)
    udata = tmp_path / "udata"
    udata.write_text(f'#!/bin/sh\ncd {PLUGIN.parents[2]} && exec {sys.executable} -m udata "$@"\n', encoding="utf-8")
    udata.chmod(0o755)
    (configuration / "udata").write_text(
        f"[udata_*]\nuser {getpass.getuser()}\nenv.udata {udata}\n"
        f"env.UDATA_MONGODB_HOST {settings['MONGODB_HOST']}\n"
        f"env.UDATA_CELERY_BROKER_URL {settings['CELERY_BROKER_URL']}\n",
        encoding="utf-8",
    )
    node = tmp_path / "munin-node.conf"
    node.write_text(f"log_level 0\nlog_file {tmp_path / 'log'}\npid_file {tmp_path / 'pid'}\n", encoding="utf-8")

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        places = ["--config", str(node), "--servicedir", str(plugins), "--sconfdir", str(configuration)]
        command = [program, *places, "--ignore-systemd-properties", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_munin_is_told_of_a_queue_and_of_what_waits_in_it(munin: Munin, app: Any) -> None:
    for number in range(3):
        enqueue("sleep-test", ["1", str(number)])
    enqueue("log-test")
    config = munin("udata_default", "config")
    assert (config.returncode, config.stderr) == (0, "")
    lines = config.stdout.splitlines()
    assert "graph_title Waiting tasks in the queue default" in lines
    assert {"log_test.label log-test", "sleep_test.label sleep-test"} <= set(lines)
    values = munin("udata_default")
    assert (values.returncode, values.stderr) == (0, "")
    assert sorted(values.stdout.splitlines()) == ["error_test.value 0", "log_test.value 1", "sleep_test.value 3"]
    named = {line.partition(".")[0] for line in lines if ".label" in line}
    assert named == {line.partition(".")[0] for line in values.stdout.splitlines()}
    low = munin("udata_low").stdout.splitlines()
    assert "count_tags.value 0" in low


def test_munin_can_find_out_that_the_plugin_works_and_for_which_queues(munin: Munin) -> None:
    assert munin("udata_default", "autoconf").stdout.strip() == "yes"
    assert munin("udata_default", "suggest").stdout.split() == ["high", "default", "low"]


def test_a_queue_that_does_not_exist_is_an_error_to_munin(munin: Munin, tmp_path: Path) -> None:
    (tmp_path / "plugins/udata_defualt").symlink_to(PLUGIN)
    failed = munin("udata_defualt")
    assert failed.returncode != 0
    assert "no queue is named 'defualt'" in failed.stderr
