"""An answer as CSV, for spreadsheets: https://www.rfc-editor.org/rfc/rfc4180"""

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from udata.commands.output.streams import write
from udata.masking import clean
from udata.wording import printable

# Spreadsheets take what begins so for a formula: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_rows(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Answer with CSV, a line as it comes. Moments are in UTC; a text that would be a formula gets an apostrophe."""
    write(_line(headers), sys.stdout)
    for row in rows:
        write(_line(row), sys.stdout)


def _line(row: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([_cell(value) for value in row])
    return line.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if hasattr(value, "hour"):
        return f"{value.isoformat(timespec='seconds')}Z"
    if not isinstance(value, str):
        return value
    text = printable(clean(value))
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
