"""Start the embedded servers, fill them with the sample portal, and show a few commands on it.

Everything stays in a home of its own, `demo-home` in the user's cache folder; settings of the shell are ignored. Run
again, it begins again: what an earlier run left there is replaced, anything else is refused.
"""

import os
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

from demo import sample
from udata.app import create_app
from udata.errors import UdataError, UsageError
from udata.services.database.restore import counts
from udata.settings import load
from udata.store.connection import database, translated_errors

EMAIL = "ada.demo@example.org"


def home() -> Path:
    """The folder of the demonstration's own servers."""
    from platformdirs import user_cache_path

    return user_cache_path("udata", appauthor=False) / "demo-home"


def fill() -> None:
    """Put the sample portal into the embedded database; that of an earlier run is replaced.

    Raises UsageError where the database holds anything else.
    """
    with create_app(load()).app_context():
        target = database()
        if any(counts(target).values()):
            if not sample.is_sample(target):
                raise UsageError(f"the database in {home()} is not the demo's own", "move that folder away")
            say("The sample portal of an earlier run is there: it is made anew.")
            with translated_errors():
                target.client.drop_database(target)
        made = sample.create(target)
    say(f"The sample portal: {sum(made.values())} documents in {len(made)} collections.")


def show(*arguments: str, expected: tuple[int, ...] = (0,), answer: str | None = None) -> None:
    """Echo a command line and run it for real. Raises UdataError where it ends with another exit code."""
    print(f"\n$ {'' if answer is None else '… | '}udata {shlex.join(arguments)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "udata", *arguments],
        input=answer,
        stdin=subprocess.DEVNULL if answer is None else None,
        text=True,
        check=False,
    )
    if done.returncode not in expected:
        raise UdataError(f"udata {arguments[0]} ended with {done.returncode}, and {expected[0]} was expected")


def say(text: str) -> None:
    """A line of the demonstration itself."""
    print(f"\n# {text}", flush=True)


def demonstrate(folder: Path) -> None:
    """The whole of it, in the process's own environment. Raises UdataError."""
    say(f"Servers and data of this demonstration are in {folder}")
    show("embedded", "start")
    fill()
    show("db", "create-indexes")
    show("info", expected=(0, 1))
    show("db", "check-integrity", expected=(1,))
    say("Exit code 1: the sample portal is broken on purpose, and this is what was found.")
    password = f"Aa1{secrets.token_urlsafe(9)}"
    names = ("--first-name", "Ada", "--last-name", "Demo")
    show("user", "create", "--email", EMAIL, *names, "--admin", "--password-stdin", answer=f"{password}\n")
    show("user", "list", "--admin")
    say("Now it is yours. In this shell:")
    print(f"  export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH UDATA_HOME={shlex.quote(str(folder))}")
    print("  udata -?                  what there is")
    print("  udata user create         asks for what is missing")
    print("  udata db status           collections, sizes, indexes")
    say("The servers run on. Stop them and remove everything:")
    print(f"  udata embedded stop && rm -r {shlex.quote(str(folder))}")


def main() -> int:
    """Run the demonstration and return its exit code."""
    folder = home()
    for name in [name for name in os.environ if name.startswith("UDATA_")]:
        del os.environ[name]
    os.environ["UDATA_HOME"] = str(folder)
    try:
        demonstrate(folder)
    except UdataError as error:
        print(f"✘ {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("✘ interrupted; the same command begins again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
