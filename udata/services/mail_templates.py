"""Mails made from templates, in the language of who gets them."""

import gettext
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = Path(__file__).parents[1]
TEMPLATES = PACKAGE / "templates" / "mails"
TRANSLATIONS = PACKAGE / "translations"
DOMAIN = "udata"

# The language that the templates are written in.
WRITTEN_IN = "en"


class Rendered(NamedTuple):
    """A mail's texts, and the language that they are in."""

    subject: str
    text: str
    html: str
    language: str


@cache
def languages() -> frozenset[str]:
    """The languages that there are."""
    found = {file.parent.parent.name for file in TRANSLATIONS.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")}
    return frozenset({WRITTEN_IN, *found})


def language(*wanted: Any) -> str:
    """The first of the `wanted` languages that there is: `fr-CA` and `fr_CA` mean `fr`."""
    for one in wanted:
        if isinstance(one, str) and (name := one.replace("_", "-").partition("-")[0].lower()) in languages():
            return name
    return WRITTEN_IN


def render(name: str, language: str, values: Mapping[str, Any]) -> Rendered:
    """The mail called `name`: its text's first line is the subject. A missing value raises UndefinedError."""
    environment = _environment(language)
    subject, _, text = environment.get_template(f"{name}.txt").render(values).lstrip().partition("\n")
    html = environment.get_template(f"{name}.html").render({**values, "language": language})
    # A header is one line.
    return Rendered(" ".join(subject.split()), text.strip() + "\n", html, language)


@cache
def _environment(language: str) -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"]),
        # A mail with a gap in it must not go out.
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    # The templates' own language needs no catalogue; of any other a missing one is an error.
    translations = gettext.translation(DOMAIN, TRANSLATIONS, [language], fallback=language == WRITTEN_IN)
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    # The order of a date is a message, too.
    order = translations.gettext("{year}-{month}-{day}")
    environment.filters["date"] = lambda moment: _date(moment, order)
    environment.filters["line"] = _one_line
    return environment


def _date(moment: datetime, order: str) -> str:
    return order.format(year=moment.year, month=f"{moment.month:02}", day=f"{moment.day:02}")


def _one_line(text: object) -> str:
    """Text of others, on one line and without what would move a cursor."""
    return "".join(character for character in " ".join(str(text).split()) if character.isprintable())
