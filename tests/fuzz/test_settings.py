"""Whatever a setting holds, a command ends in an answer or in a line that names the setting."""

import json
import os
from typing import Any

import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st

from tests.fuzz.conftest import SECRET, Typed, drawing
from udata.commands import output
from udata.setting_rows import SETTINGS

ADDRESSES = (
    "not a url at all", "redis://", "redis://h?db=3", "redis://127.0.0.1:1/abc", "mongodb://127.0.0.1:1/udata",
    "mongodb://127.0.0.1:1/udata?tls=true&tlsCAFile=/none", f"mongodb://ada:{SECRET}@127.0.0.1:1/x",
    f"redis://:{SECRET}/x@127.0.0.1:1/0", "http://127.0.0.1:1", "//", "mongodb://127.0.0.1:99999/udata", "unix:///none",
)  # fmt: skip

values = st.one_of(
    st.sampled_from(ADDRESSES),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(
        ("NaN", "Infinity", "-1", "0", "1e300", "-1e300", "1" * 40, "[" * 3000, "null", "true", "[]", "{}")
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ).map(json.dumps),
)
LINES = (("info",), ("info", "config"), ("user", "list"), ("db", "status"), ("worker", "status"), ("job", "list"),
         ("job", "run", "log-test"), ("cache", "flush"))  # fmt: skip


@pytest.mark.slow
@drawing
@given(
    st.dictionaries(st.sampled_from([setting.name for setting in SETTINGS]), values, min_size=1, max_size=3),
    st.sampled_from(LINES),
)
def test_what_is_set_ends_in_an_answer_or_a_line(
    settings: Any, typed: Typed, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], line: tuple[str, ...]
) -> None:
    with monkeypatch.context() as patched:
        for name, value in given.items():
            assume("\udcff" not in value)
            patched.setenv(f"UDATA_{name}", value)
            note(f"UDATA_{name}={value!r}")
        assert "UDATA_HOME" in os.environ
        output.options.reset()
        typed(*line)
