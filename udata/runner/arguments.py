"""The arguments of jobs: read from the functions' signatures, checked and converted before anything runs."""

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from udata.errors import UdataError, UsageError, did_you_mean, nearest
from udata.masking import HIDDEN, clean, remember, sounds_secret
from udata.wording import counted, printable

TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")

WORDS: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
# What the runner gives a function by itself.
GIVEN = ("progress",)
REQUIRED = inspect.Parameter.empty


class ParameterError(UdataError):
    """A function cannot be a job, because of a parameter."""


class Parameter(NamedTuple):
    """A parameter of a job: `type` is that of its values; `optional` if None is one, too.

    `default` is `REQUIRED` if it has none; `keyword` if it is only given by its name, `rest` if it takes all
    arguments that are left.
    """

    name: str
    type: type
    optional: bool
    default: Any
    keyword: bool
    rest: bool

    def __str__(self) -> str:
        if self.rest:
            return f"[{self.name} ...]"
        shown = f"{self.name}=" if self.keyword else self.name
        if self.default is REQUIRED:
            return shown + (self.type.__name__ if self.keyword else "")
        return f"[{self.name}={'' if self.default is None else self.default}]"


def parameters(job: str, function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of `function`, but for those that the runner gives. Raises ParameterError for an unfit one."""
    # A module with `from __future__ import annotations` has its hints as text; here they become types.
    hints = typing.get_type_hints(function)
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in GIVEN:
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            raise ParameterError(f"the job {job} takes any keyword: its parameters must be named")
        type_, optional = _type(job, name, hints.get(name))
        keyword = parameter.kind is parameter.KEYWORD_ONLY
        found.append(
            Parameter(name, type_, optional, parameter.default, keyword, parameter.kind is parameter.VAR_POSITIONAL)
        )
    return tuple(found)


def bind(job: str, known: Sequence[Parameter], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name, converted; those that are left to their defaults are not among them.

    What a parameter of the kind `rest` takes is a list. Raises UsageError for what does not fit.
    """
    positional = [parameter for parameter in known if not parameter.keyword and not parameter.rest]
    rest = next((parameter for parameter in known if parameter.rest), None)
    if len(args) > len(positional) and rest is None:
        surplus = args[len(positional)]
        named = str(surplus).lstrip("-").partition("=")[0].replace("-", "_")
        if any(parameter.name == named for parameter in known):
            raise UsageError(f"the job {job} takes {named} by name, as in {named}=VALUE")
        most = f"at most {counted(len(positional), 'argument')} without a name" if positional else "arguments by name"
        takes = f"{most}: {' '.join(map(str, known))}" if known else "no arguments"
        raise UsageError(f"the job {job} takes {takes}; {_shown('', surplus)} is too much")
    bound: dict[str, Any] = {}
    # The rest may come by name, or have defaults.
    for parameter, value in zip(positional, args, strict=False):
        bound[parameter.name] = convert(job, parameter, value)
    by_name = {parameter.name: parameter for parameter in known if not parameter.rest}
    for name, value in kwargs.items():
        if name not in by_name:
            hint = did_you_mean(nearest(name, by_name)) or (f"it takes {' '.join(map(str, known))}" if known else None)
            raise UsageError(f"the job {job} has no argument {name!r}", hint)
        if name in bound:
            raise UsageError(f"the argument {name} of the job {job} is given twice")
        bound[name] = convert(job, by_name[name], value)
    missing = [name for name, parameter in by_name.items() if parameter.default is REQUIRED and name not in bound]
    if missing:
        raise UsageError(f"the job {job} lacks the argument {missing[0]}", f"it takes {' '.join(map(str, known))}")
    if rest and len(args) > len(positional):
        bound[rest.name] = [convert(job, rest, value) for value in args[len(positional) :]]
    return bound


def convert(job: str, parameter: Parameter, value: Any) -> Any:
    """`value` as the parameter's type. Raises UsageError if it cannot be one."""
    if value is None and parameter.optional:
        return None
    try:
        return _converted(parameter.type, value)
    except (ValueError, TypeError, OverflowError) as error:
        word = WORDS[parameter.type]
        raise UsageError(
            f"the argument {parameter.name} of the job {job} must be {word}, not {_shown(parameter.name, value)}"
        ) from error


def masked(
    args: Sequence[Any], kwargs: Mapping[str, Any], bound: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any], bool]:
    """The arguments as they may be shown and stored, and whether anything in them had to be hidden.

    Hidden is what a parameter takes whose name says that it is secret, and credentials inside addresses.
    """
    # By value, too: an argument that is given by position carries no name.
    secrets = set(_secrets(bound))
    shown = [_masked("", value, secrets) for value in args]
    named = {name: _masked(name, value, secrets) for name, value in kwargs.items()}
    return shown, named, shown != list(args) or named != dict(kwargs)


def hider(bound: Mapping[str, Any]) -> "Callable[[Any], Any]":
    """A function that hides, in texts at any depth, what secret arguments hold and credentials inside addresses."""
    # An empty secret would be found between any two letters.
    secrets = [text for text in _secrets(bound) if text]
    remember(*secrets)

    def hide(value: Any) -> Any:
        if isinstance(value, dict):
            return {hide(name): hide(item) for name, item in value.items()}
        if isinstance(value, list):
            return [hide(item) for item in value]
        if not isinstance(value, str):
            return value
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return clean(value)

    return hide


def _masked(name: str, value: Any, secrets: set[str]) -> Any:
    if sounds_secret(name) or str(value) in secrets:
        return HIDDEN
    return clean(value) if isinstance(value, str) else value


def _secrets(bound: Mapping[str, Any]) -> list[str]:
    """The texts of what secret parameters take; one that takes all that is left takes a list."""
    taken = [value for name, value in bound.items() if sounds_secret(name) and value is not None]
    return [str(text) for value in taken for text in (value if isinstance(value, list) else [value])]


def _shown(name: str, value: Any) -> str:
    return HIDDEN if sounds_secret(name) else repr(_masked(name, value, set()))


def _type(job: str, name: str, hint: Any) -> tuple[type, bool]:
    choices = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kinds = [choice for choice in choices if choice is not types.NoneType]
    if len(kinds) != 1 or kinds[0] not in WORDS:
        raise ParameterError(
            f"the parameter {name} of the job {job} has no type that a command line can give",
            f"there are {', '.join(kind.__name__ for kind in WORDS)}",
        )
    return kinds[0], types.NoneType in choices


def _converted(type_: type, value: Any) -> Any:
    if type_ is str:
        if not isinstance(value, str):
            raise TypeError(value)
        return value
    if type_ is bool:
        return value if isinstance(value, bool) else _truth(value)
    # For Python a bool is an int; but `true` is no number of seconds.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(value)
    if type_ is int:
        # Other programs write 3 as 3.0; 3.5 must not become 3.
        if isinstance(value, float) and not value.is_integer():
            raise ValueError(value)
        return int(value)
    # `float` reads nan and inf as well, which JSON does not have.
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(value)
    return number


def _truth(value: Any) -> bool:
    text = str(value).lower()
    if not isinstance(value, str) or text not in TRUE + FALSE:
        raise ValueError(value)
    return text in TRUE


def split_arguments(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The arguments and keywords that were typed as `words`: `key=value` if the key is an identifier.

    `--key=value` is the same, and `--key` is `key=true`; hyphens stand for underscores then. Raises UsageError for a
    keyword that is given twice.
    """
    args: list[str] = []
    kwargs: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if re.fullmatch(r"--[a-z][a-z-]*", name):
            name, equals, value = name[2:].replace("-", "_"), "=", value if equals else "true"
        # An address may hold a `=` in its query, and is a value nonetheless.
        if not equals or not name.isidentifier():
            args.append(word)
        elif name in kwargs:
            raise UsageError(f"the argument {name} is given twice")
        else:
            kwargs[name] = value
    return args, kwargs


def shown(
    known: Sequence[Parameter], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments as they may be shown, which need not fit the parameters; what is secret is remembered as such."""
    names = [parameter.name for parameter in known if not parameter.keyword and not parameter.rest]
    rest = {parameter.name: list(args[len(names) :]) for parameter in known if parameter.rest}
    bound = {**dict(zip(names, args, strict=False)), **rest, **kwargs}
    remember(*_secrets(bound))
    return masked(args, kwargs, bound)[:2]


def label(
    job: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, known: Sequence[Parameter] = ()
) -> str:
    """A job with its arguments in one line, as an operator reads them: `my-job(arg, key=value)`; secrets are hidden.

    Which those are that carry no name only the job's parameters tell, `known`.
    """
    listing, named = shown(known, args, kwargs or {})
    listed = [*map(str, listing), *(f"{name}={value}" for name, value in named.items())]
    text = f"{job}({', '.join(listed)})" if listed else job
    return printable(text)
