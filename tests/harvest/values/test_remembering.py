"""Words of vocabularies are worked out once, and whole paragraphs never kept."""

from udata.harvest.values.remembering import MAX_LENGTH, remembered


def test_a_word_is_worked_out_once_and_a_long_text_each_time() -> None:
    worked_out = []

    @remembered
    def length(text: str | None) -> int:
        worked_out.append(text)
        return len(text or "")

    long = "x" * (MAX_LENGTH + 1)
    assert [length(text) for text in ("word", "word", None, None, long, long)] == [4, 4, 0, 0, 201, 201]
    assert worked_out == ["word", None, long, long]
