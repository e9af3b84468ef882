"""A job's arguments are checked and converted before anything runs, and secrets are not shown."""

from collections.abc import Callable
from typing import Any

import pytest

from udata.errors import UsageError
from udata.masking import HIDDEN
from udata.runner.arguments import ParameterError, bind, hider, label, masked, parameters, split_arguments


def plain(name: str, count: int, ratio: float = 1.5, draft: bool = False, until: str | None = None) -> None: ...


def rest(first: str, *others: int, mode: str = "fast") -> None: ...


def bound(function: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    return bind("a-job", parameters("a-job", function), args, kwargs)


def test_texts_become_what_the_function_declares() -> None:
    assert bound(plain, "x", "3", "0.5", "yes") == {"name": "x", "count": 3, "ratio": 0.5, "draft": True}
    assert bound(plain, "x", count="-3", draft="False", until="a=b") == {
        "name": "x", "count": -3, "draft": False, "until": "a=b",
    }  # fmt: skip


def test_values_of_a_message_are_taken_as_they_are() -> None:
    assert bound(plain, "x", 3, 2, True, None) == {"name": "x", "count": 3, "ratio": 2.0, "draft": True, "until": None}


def test_what_is_left_over_goes_to_the_parameter_that_takes_the_rest() -> None:
    assert bound(rest, "x") == {"first": "x"}
    assert bound(rest, "x", "1", "2", mode="slow") == {"first": "x", "others": [1, 2], "mode": "slow"}


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "lacks the argument name"),
        (("x",), {}, "lacks the argument count"),
        (("x", "3", "1", "no", "u", "v"), {}, "'v' is too much"),
        (("x", "three"), {}, "count .* must be a whole number, not 'three'"),
        (("x", "3.5"), {}, "count .* must be a whole number"),
        (("x", True), {}, "count .* must be a whole number"),
        (("x", "3", "nan"), {}, "ratio .* must be a number"),
        (("x", "3", "1", "maybe"), {}, "draft .* must be true or false"),
        ((5, "3"), {}, "name .* must be text"),
        ((None, "3"), {}, "name .* must be text"),
        (("x", "3"), {"count": "4"}, "count .* is given twice"),
        (("x", "3"), {"drft": "1"}, "no argument 'drft'.*did you mean draft"),
        (("x", {"a": 1}), {}, "count .* must be a whole number"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_argument_s_name(
    args: tuple[Any, ...], kwargs: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        bound(plain, *args, **kwargs)


def test_a_function_that_a_command_line_cannot_call_is_no_job() -> None:
    def untyped(x) -> None: ...  # type: ignore[no-untyped-def]

    def mapping(x: dict[str, int]) -> None: ...

    def anything(**kwargs: str) -> None: ...

    for function in (untyped, mapping, anything):
        with pytest.raises(ParameterError, match="a-job"):
            parameters("a-job", function)


@pytest.mark.parametrize(
    ("words", "args", "kwargs"),
    [
        (["a", "key=value"], ["a"], {"key": "value"}),
        (["key=a=b"], [], {"key": "a=b"}),
        (["http://host/?a=b"], ["http://host/?a=b"], {}),
        (["1=2", "=x", "two words=x"], ["1=2", "=x", "two words=x"], {}),
        (["key=", "with space", 'qu"ote', "new\nline"], ["with space", 'qu"ote', "new\nline"], {"key": ""}),
        (["é=ü", "ключ=значение"], [], {"é": "ü", "ключ": "значение"}),
        (["--dry-run", "--host=a=b", "--", "-1", "--1=2"], ["--", "-1", "--1=2"], {"dry_run": "true", "host": "a=b"}),
    ],
)  # fmt: skip
def test_a_keyword_is_one_only_where_its_name_is_an_identifier(
    words: list[str], args: list[str], kwargs: dict[str, str]
) -> None:
    assert split_arguments(words) == (args, kwargs)


def test_a_keyword_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="key is given twice"):
        split_arguments(["key=1", "key=2"])


def test_secrets_are_hidden_wherever_they_stand() -> None:
    def fetch(url: str, api_token: str, label: str = "") -> None: ...

    args, kwargs = ["https://me:hush@host/x", "s3cret"], {"label": "keyboard"}
    shown = masked(args, kwargs, bound(fetch, *args, **kwargs))
    assert shown == ([f"https://{HIDDEN}@host/x", HIDDEN], {"label": "keyboard"}, True)
    hide = hider(bound(fetch, *args, **kwargs))
    assert hide("s3cret at https://me:hush@host/x: no") == f"{HIDDEN} at https://{HIDDEN}@host/x: no"


def test_arguments_without_a_secret_are_shown_as_they_are() -> None:
    assert masked(["a"], {"monkey": "b"}, {"name": "a", "monkey": "b"}) == (["a"], {"monkey": "b"}, False)


def test_a_label_reads_as_a_call() -> None:
    assert label("count-tags") == "count-tags"
    assert label("my-job", ["arg"], {"key": "value"}) == "my-job(arg, key=value)"
    assert label("my-job", [], {"password": "hush"}) == f"my-job(password={HIDDEN})"
