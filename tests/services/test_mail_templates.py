"""Mails are made from templates in languages whose catalogues are what they were compiled from."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from babel.messages.frontend import CommandLineInterface
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from udata.services.mail_templates import PACKAGE, TRANSLATIONS, language, languages, render

CATALOGUES = sorted(TRANSLATIONS.glob("*/LC_MESSAGES/udata.po"))


def translations(catalogue: Any) -> dict[Any, Any]:
    """What is said by what is meant; a plural is several texts."""
    pairs = ((message.id, message.string) for message in catalogue if message.id)
    return {_fixed(id): _fixed(string) for id, string in pairs}


def _fixed(text: Any) -> Any:
    return text if isinstance(text, str) else tuple(text)


def test_the_catalogues_are_compiled_and_complete() -> None:
    assert CATALOGUES
    for file in CATALOGUES:
        with file.open("rb") as source, file.with_suffix(".mo").open("rb") as compiled:
            written, shipped = read_po(source), read_mo(compiled)
        assert translations(written) == translations(shipped), f"{file}: run make i18n"
        assert not [message.id for message in written if message.fuzzy and message.id]
        for id, string in translations(written).items():
            assert all(string) if isinstance(string, tuple) else string, id


def test_the_catalogues_hold_what_the_templates_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PACKAGE.parent)
    found = tmp_path / "found.pot"
    command: Any = CommandLineInterface()
    command.run(["pybabel", "--quiet", "extract", "-F", "pyproject.toml", "-o", str(found), "udata"])
    with found.open("rb") as file:
        said = set(translations(read_po(file)))
    assert said
    for catalogue in CATALOGUES:
        with catalogue.open("rb") as file:
            assert set(translations(read_po(file))) == said, f"{catalogue}: run make i18n"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [(("fr",), "fr"), (("fr-CA", "en"), "fr"), (("fr_FR",), "fr"), (("FR",), "fr"), (("xx", "fr"), "fr"),
     ((None, 7, "xx"), "en"), ((), "en"), (("en", "fr"), "en"), (("../fr",), "en")],
)  # fmt: skip
def test_the_language_is_the_first_wanted_one_that_there_is(wanted: tuple[Any, ...], found: str) -> None:
    assert language(*wanted) == found


def test_both_languages_are_there() -> None:
    assert languages() >= {"en", "fr"}


def late(title: str) -> Any:
    from bson import ObjectId

    from udata.services.reminders.late import LateDataset

    return LateDataset(ObjectId(), title, "slug", datetime(2026, 1, 2), datetime(2026, 3, 4))


def test_what_others_wrote_is_text_in_both_forms() -> None:
    datasets = [(late("<script>alert(1)</script>\nBcc: a@b"), "https://portal.example/datasets/slug")]
    values = {"name": "Zoé <b>", "portal": "https://portal.example", "datasets": datasets}
    made = render("frequency_reminder", "en", values)
    assert "<script>" not in made.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; Bcc: a@b" in made.html
    assert "Zoé &lt;b&gt;" in made.html
    assert "- <script>alert(1)</script> Bcc: a@b\n" in made.text
    assert "2026-01-02" in made.text
    assert '<a href="https://portal.example/datasets/slug">' in made.html


def test_the_french_mail_is_french() -> None:
    values = {"name": "Zoé", "portal": "https://portal.example", "datasets": [(late("A"), "x"), (late("B"), "y")]}
    made = render("frequency_reminder", "fr", values)
    assert made.subject == "2 de vos jeux de données attendent leur mise à jour"
    assert made.text.startswith("Bonjour Zoé,\n")
    assert "dernière mise à jour le 02/01/2026, mise à jour attendue pour le 04/03/2026" in made.text
    assert '<html lang="fr">' in made.html
