"""Texts lose their Markdown and keep their words."""

import psutil
import pytest

from udata.search.documents.markup import plain


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("Deux lignes\nd'un paragraphe", "Deux lignes\nd'un paragraphe"),
        ("# Titre\n\nTexte **gras**, _penché_ et `code`", "Titre\nTexte gras, penché et code"),
        ("[le site](https://example.org/a?b=c) de l’État", "le site de l’État"),
        ("https://example.org/a_b_c est l'adresse", "https://example.org/a_b_c est l'adresse"),
        ("![Une carte](https://example.org/a.png)", "Une carte"),
        ("- un\n- deux\n\n1. trois", "un\ndeux\ntrois"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a\nb\n1\n2"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a\nb"),
        ("~~barré~~ &eacute;t&eacute; &amp; 3 < 4", "barré été & 3 < 4"),
        ("<p>Du <b>HTML</b></p>", "Du HTML"),
        ("<div><style>b {}</style>Du HTML<!-- rien --></div>", "Du HTML"),
        ("snake_case et 2*3*4", "snake_case et 234"),
        ("", ""),
    ],
)
def test_words_are_kept_and_markup_is_not(markdown: str, words: str) -> None:
    assert plain(markdown) == words


def test_no_text_stays_no_text() -> None:
    assert plain(None) is None


@pytest.mark.parametrize("piece", ["<", "[", "*_", "> ", "<!--", "`", "<div ", "![", "<script>", "&#0;", "\udc80"])
def test_what_is_no_markdown_does_no_harm(piece: str) -> None:
    assert isinstance(plain(piece * 50_000), str)


def test_texts_leave_no_memory_behind() -> None:
    process = psutil.Process()
    text = "# Titre\n\nUn **paragraphe** de [quelques](https://example.org/a) mots. " * 20
    plain(text)
    before = process.memory_info().rss
    for _ in range(5000):
        plain(text)
    assert process.memory_info().rss - before < 10 * 2**20
