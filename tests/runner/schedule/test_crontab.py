"""Crontabs are read strictly where they are typed, and as every other scheduler reads them where they are stored."""

import random
from contextlib import suppress

import pytest
from celery.schedules import crontab as of_celery

from udata.runner.schedule.crontab import FIELDS, Crontab, CrontabError, is_crontab, parse, read

# What is typed, and what is stored of it.
RIGHT = {
    "0 * * * *": "0 * * * *",
    "*/15 0-5,22,23 1,15 * *": "*/15 0-5,22,23 1,15 * *",
    "  05\t04  * *  * ": "5 4 * * *",
    "0 0 * * 7": "0 0 * * 0",
    "0 0 * * 5-7": "0 0 * * 0,5-6",
    "0 0 * * 1-7/2": "0 0 * * 0-1,3,5",
    "0 0 * * 0-7": "0 0 * * 0-6",
    "0 0 * * sun": "0 0 * * 0",
    "0 0 * jan,Jun-AUG Mon-Friday": "0 0 * 1,6-8 1-5",
    "0 0 * * fri-sun": "0 0 * * 0,5-6",
    "0 0 * december sunday": "0 0 * 12 0",
    "10-50/20 */2 * * *": "10-50/20 */2 * * *",
    "*/1 5-5 * * *": "* 5 * * *",
    # An hour of 0-23 is a clock's time, and stays apart from the star.
    "0 0-23 * * *": "0 0-23 * * *",
    "0 0 29 2 *": "0 0 29 2 *",
    "0 0 30 1-2 *": "0 0 30 1-2 *",
    "0 0 31 * *": "0 0 31 * *",
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@Weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}

# What is wrong, and what the message has to name.
WRONG = {
    "99 * * * *": "minute",
    "60 * * * *": "minute",
    "-1 * * * *": "minute",
    "a * * * *": "minute",
    "*/0 * * * *": "minute",
    "*/61 * * * *": "minute",
    "*/-5 * * * *": "minute",
    "*/x * * * *": "minute",
    "5/15 * * * *": "minute",
    "50-10 * * * *": "minute",
    "1,,2 * * * *": "minute",
    "1.5 * * * *": "minute",
    "١ * * * *": "minute",
    "** * * * *": "minute",
    "H * * * *": "minute",
    "R * * * *": "minute",
    "* 24 * * *": "hour",
    "* 5-1 * * *": "hour",
    "* 1- * * *": "hour",
    "* mon * * *": "hour",
    "0 0 0 * *": "day of month",
    "0 0 32 * *": "day of month",
    "0 0 L * *": "day of month",
    "0 0 15W * *": "day of month",
    "0 0 ? * *": "day of month",
    "0 0 * 0 *": "month",
    "0 0 * 13 *": "month",
    "0 0 * dez *": "month",
    "0 0 * mon *": "month",
    "0 0 * * 8": "day of week",
    "0 0 * * 1#2": "day of week",
    "0 0 * * 5L": "day of week",
    "0 0 * * sat-mon": "day of week",
    "0 0 * * jan": "day of week",
    "0 0 31 2 *": "never comes",
    "0 0 30-31 feb *": "never comes",
    "0 0 31 4,6,9,11 *": "never comes",
    "* * *": "3 fields",
    "* * * * * *": "6 fields",
    "   ": "0 fields",
    "@never": "@hourly",
    "@dayly": "did you mean @daily",
    "@reboot": "@",
    "@": "@hourly",
}


@pytest.mark.parametrize("typed", RIGHT)
def test_what_is_typed_is_stored_in_numbers(typed: str) -> None:
    assert str(parse(typed)) == RIGHT[typed]
    assert parse(RIGHT[typed]) == parse(typed)


@pytest.mark.parametrize("typed", WRONG)
def test_a_wrong_crontab_is_refused_with_what_is_wrong(typed: str) -> None:
    with pytest.raises(CrontabError) as refused:
        parse(typed)
    assert WRONG[typed] in str(refused.value)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)


def test_whatever_is_typed_is_a_crontab_or_refused() -> None:
    chance = random.Random(11)
    taken = 0
    for _ in range(5_000):
        letters = chance.choice(["*/0123456789,-", "*/0123456789,-abjmnorsuLW#?@%\udcff\u0661\x00"])
        words = ["".join(chance.choices(letters, k=chance.randint(1, 4))) for _ in range(5)]
        replaced = {place: "*" for place in range(5) if chance.random() < 0.8}
        typed = " ".join(replaced.get(place, word) for place, word in enumerate(words))
        with suppress(CrontabError):
            found = parse(typed)
            taken += 1
            assert found.values == _of_celery(found), typed
    assert taken > 500


def test_a_crontab_is_the_word_with_a_space_or_a_leading_at() -> None:
    assert is_crontab("* * *")
    assert is_crontab("@daily")
    assert not is_crontab("count-tags")
    assert not is_crontab("*/5")
    assert not is_crontab(" count-tags")


def _of_celery(found: Crontab) -> list[list[int]]:
    theirs = of_celery(**found._asdict())
    return [sorted(getattr(theirs, field.name)) for field in FIELDS]


def test_what_is_stored_is_read_alike_by_celery() -> None:
    for typed in RIGHT:
        found = parse(typed)
        assert found.values == _of_celery(found), typed


def test_generated_crontabs_are_read_alike_by_celery() -> None:
    # A range in the form of Celery may wrap around; what is typed here may not.
    chance = random.Random(5)
    for _ in range(300):
        stored = {field.name: _field(chance, field.low, field.high) for field in FIELDS}
        found = read({**stored, "month_of_year": f"1,{stored['month_of_year']}"})
        assert found.values == _of_celery(found), stored


def _field(chance: random.Random, low: int, high: int) -> str:
    def part() -> str:
        first, last, step = chance.randint(low, high), chance.randint(low, high), chance.randint(1, 9)
        return chance.choice([str(first), f"{first}-{last}", f"{first}-{last}/{step}", f"*/{step}", "*"])

    return ",".join(part() for _ in range(chance.randint(1, 3)))


def test_what_another_program_has_stored_is_read_as_it_is() -> None:
    assert str(read({"minute": 30, "hour": "22-2", "day_of_week": "7"})) == "30 22-2 * * 7"
    assert read({"minute": 30, "hour": "22-2", "day_of_week": "7"}).values[1] == [0, 1, 2, 22, 23]
    assert read({"day_of_week": "7"}).values[4] == [0]
    assert read({"day_of_week": "sat-mon"}).values[4] == [0, 1, 6]


@pytest.mark.parametrize(
    "stored", [{"minute": "a"}, {"hour": None}, {"minute": ""}, {"day_of_month": "31", "month_of_year": "2"}]
)
def test_what_is_stored_and_no_crontab_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(CrontabError):
        read(stored)
