"""The command line as a whole: help, slips, exit codes, signals, pipes, completion, plugins."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, wait_for
from udata import __version__
from udata.commands.root import main
from udata.errors import UNBUILT


@pytest.mark.parametrize("name", ["-?", "-h", "--help"])
@pytest.mark.parametrize("arguments", [[], ["user"], ["user", "create"]])
def test_help_is_everywhere(arguments: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, name]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: {' '.join(['udata', *arguments])}")


def test_the_exit_codes_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    main(["-?"])
    shown = capsys.readouterr().out
    for code in ("0", "1", "2", "3", "4", "5", "130", "141"):
        assert f"  {code} " in shown


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"udata {__version__}\n"


def test_a_mistyped_group_gets_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usr", "list"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Did you mean 'user'?" in shown.err
    assert shown.err.count("\n") == 1


def test_a_mistyped_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["user", "list", "--admn"]) == 2
    shown = capsys.readouterr().err
    assert "--admin" in shown
    assert shown.count("\n") == 1


def test_what_is_not_built_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(UNBUILT, "command", ("udata to-come",))
    assert main(["to-come"]) == 2
    assert "udata to-come is not part of this version" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--json", "completion", "bash"], ["--jsonl", "completion", "bash"]])
def test_a_form_that_a_command_does_not_print_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")])
def test_each_shell_has_its_completion_script(shell: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert word in capsys.readouterr().out


def test_completion_knows_the_commands_of_a_group_that_is_not_loaded_yet() -> None:
    environment = {**os.environ, "_UDATA_COMPLETE": "bash_complete", "COMP_WORDS": "udata user cr", "COMP_CWORD": "2"}
    script = "from udata.commands.root import run; run()"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert "create" in done.stdout


def test_debug_shows_the_traceback_of_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--debug", "usr"])
    assert "Traceback" in capsys.readouterr().err
    main(["usr"])
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_bug() -> None:
    """As in `udata -? | head -0`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "udata", "-?"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    shown = process.stderr.read()
    process.stderr.close()
    assert process.wait(PATIENCE) == 141
    assert shown == ""


def test_udata_alone_answers_with_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("Usage: udata [OPTIONS]")


@pytest.mark.parametrize("arguments", [["job"], ["worker", "dead"]])
def test_a_group_alone_notes_its_help_in_lines(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"Usage: udata {' '.join(arguments)}")
    assert "\nCommands:\n" in shown.err


def test_forms_that_contradict_each_other_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["user", "list", "--json", "--jsonl"]) == 2
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--checks", ""], ["--models", ","], ["--exclude", " , "]])
def test_a_list_that_names_nothing_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "check-integrity", *arguments]) == 2
    assert f"{arguments[0]} names nothing" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_with_one_line(number: signal.Signals, plugin_command: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "udata", "linger"],
        env=plugin_command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, shown = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert shown == "✘ interrupted\n"


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_at_the_end_leaves_the_code_and_the_line_as_they_are(
    second: signal.Signals, plugin_command: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "udata", "linger", "--last-words"]
    process = subprocess.Popen(command, env=plugin_command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "leaving\n"
    # One that comes in the instant before the interpreter waits for its threads is only seen with the next.
    wait_for(lambda: process.poll() is not None, meanwhile=lambda: process.send_signal(second))
    _, shown = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert shown == "✘ interrupted\n"


def test_a_bug_asks_to_be_reported(plugin_command: dict[str, str]) -> None:
    command = [sys.executable, "-m", "udata", "linger", "--bug"]
    done = subprocess.run(command, env=plugin_command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "Please report it" in done.stderr


def test_a_plugin_s_command_is_in_the_help_under_its_distribution(plugin_command: dict[str, str]) -> None:
    command = [sys.executable, "-m", "udata", "-?"]
    done = subprocess.run(command, env=plugin_command, capture_output=True, text=True, check=True)
    assert "linger      From linger_plugin." in done.stdout


def test_a_plugin_that_is_broken_breaks_its_own_command_only(plugin_command: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "linger_plugin.py").write_text("raise RuntimeError('inside')\n", encoding="utf-8")
    command = [sys.executable, "-m", "udata"]
    assert subprocess.run([*command, "-?"], env=plugin_command, capture_output=True, check=False).returncode == 0
    done = subprocess.run([*command, "linger"], env=plugin_command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the plugin linger of linger_plugin cannot be loaded: RuntimeError: inside" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plugin_s_command_that_takes_another_s_name_is_refused_and_named(
    settings: object, plugin_command: dict[str, str], tmp_path: Path
) -> None:
    for package in ("another", "linger_plugin"):
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir(exist_ok=True)
        (folder / "entry_points.txt").write_text("[udata.commands]\nlinger = x:y\nuser = x:y\n", encoding="utf-8")
    environment = {**plugin_command, **os.environ, "PYTHONPATH": str(tmp_path)}
    said = ("the command user of another is left out: udata has one of that name",
            "the command linger of linger_plugin is left out: another has one of that name")  # fmt: skip
    for line in (["user", "list"], ["info"]):
        command = [sys.executable, "-m", "udata", *line]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
        for text in said:
            assert text in done.stderr
            assert (text in done.stdout) == (line == ["info"])


@pytest.fixture
def plugin_command(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that has a plugin with the command `linger`."""
    (tmp_path / "linger_plugin.py").write_text(
        "import threading, time, click\n"
        "def speak():\n"
        "    threading.main_thread().join()\n"
        "    print('leaving', flush=True)\n"
        "    time.sleep(60)\n"
        "@click.command()\n"
        "@click.option('--bug', is_flag=True)\n"
        "@click.option('--last-words', is_flag=True)\n"
        "def linger(bug, last_words):\n"
        "    if bug:\n"
        "        raise RuntimeError('bug')\n"
        "    if last_words:\n"
        "        threading.Thread(target=speak).start()\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n",
        encoding="utf-8",
    )
    folder = tmp_path / "linger_plugin-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text("[udata.commands]\nlinger = linger_plugin:linger\n", encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
