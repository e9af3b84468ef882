"""Numbers, spans and letters as an operator reads them."""

import json
from datetime import timedelta

import pytest

from udata.wording import ago, counted, listed, milliseconds, printable, printable_json, size, span


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Café 東京 🙂", "Café 東京 🙂"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("abc\u202edcb\u2066", "abc\\u202edcb\\u2066"),
        ("a\u2028b", "a\\u2028b"),
        ("caf\udce9", "caf\\udce9"),
        ("tag\U000e0041", "tag\\U000e0041"),
        # Zero-width joiners and non-joiners are letters of Persian and Hindi names.
        ("می\u200cخواهم क्\u200dष", "می\u200cخواهم क्\u200dष"),
    ],
)
def test_what_steers_a_terminal_is_escaped_and_letters_stay(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["a\x9b\x7f\u202e\u2028\udce9\U000e0041", "é\n\t\x1b", "\u200d"])
def test_json_keeps_the_text_and_holds_no_such_letter(text: str) -> None:
    document = printable_json(json.dumps({"name": text}, indent=2, ensure_ascii=False))
    assert json.loads(document) == {"name": text}
    assert printable(document.replace("\n", "")) == document.replace("\n", "")


def test_words_follow_their_number() -> None:
    assert (counted(1, "queue"), counted(0, "queue"), counted(1234, "queue")) == ("1 queue", "0 queues", "1,234 queues")
    assert counted(2, "entry", "entries") == "2 entries"
    assert listed(["a", "b"]) == "a, b"
    assert listed(["a", "b", "c", "d", "e"], most=3) == "a, b, c and 2 more"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.25, "0.2 s"),
        (41, "41 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3_700, "1 h 1 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


def test_the_past_is_told_in_one_unit() -> None:
    told = [ago(timedelta(seconds=seconds)) for seconds in (-5, 1, 90, 120, 7_300, 200_000)]
    assert told == ["0 seconds", "1 second", "90 seconds", "2 minutes", "2 hours", "2 days"]


def test_sizes_and_latencies() -> None:
    assert [size(number) for number in (999, 1_000, 2_500_000, 3e12)] == ["999 bytes", "1 kB", "2 MB", "3,000.0 GB"]
    assert [milliseconds(number) for number in (0.0002, 0.0012, 1.5)] == ["0.20 ms", "1.2 ms", "1,500 ms"]
