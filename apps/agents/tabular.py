"""Tables in files: CSV, XLSX and JSON read into rows of texts, and written from rows of values.

A cell that a spreadsheet would run as a formula is written with an apostrophe before it, and read without.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zipfile import BadZipFile

import orjson
from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils.exceptions import InvalidFileException

from apps.kit.errors import InvalidInput, TooLarge

LARGEST_BYTES = 10_000_000
MOST_ROWS = 20_000
MOST_COLUMNS = 100
ROWS_A_PIECE = 500
FORMULA = ("=", "+", "-", "@", "\t", "\r")
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
}
Row = dict[str, Any]


def read_table(name: str, content: bytes) -> list[Row]:
    """Rows by column heading: text from CSV and XLSX, any JSON value from JSON. Empty rows are left out.

    Raises InvalidInput naming `file` for what cannot be read, TooLarge past 10 MB.
    """
    if len(content) > LARGEST_BYTES:
        raise TooLarge("The file is larger than 10 MB.", fields={"file": "Send at most 10 MB"})
    reader = _READERS.get(name.rpartition(".")[2].lower())
    if reader is None:
        raise _unreadable("Send a file that ends in .csv, .xlsx or .json")
    rows = [row for row in reader(content) if any(value not in (None, "") for value in row.values())]
    if not rows:
        raise _unreadable("There is no row below the headings")
    return rows


def _bounded(rows: Iterable[Row]) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        if number > MOST_ROWS:
            raise _unreadable(f"Send at most {MOST_ROWS:,} rows at once")
        yield row


def _read_csv(content: bytes) -> Iterator[Row]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(f"Save it as UTF-8: byte {error.start} is none") from error
    sample = text[:4096].partition("\n")[0]
    delimiter = max(",;\t", key=sample.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        yield from _bounded(_by_heading(lines))
    except csv.Error as error:
        raise _unreadable(f"Line {lines.line_num} is no CSV: {error}") from error


def _read_xlsx(content: bytes) -> Iterator[Row]:
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        yield from _bounded(_by_heading(sheet.iter_rows(values_only=True, max_col=MOST_COLUMNS)))
    except (BadZipFile, InvalidFileException, KeyError, ValueError, OSError, IndexError) as error:
        raise _unreadable("It is no workbook of Excel 2007 or newer") from error


def _read_json(content: bytes) -> Iterator[Row]:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise _unreadable(f"It is no JSON: {error}") from error
    rows = found.get("results", found) if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _unreadable("Send a list of objects, one an agent")
    yield from _bounded(rows)


def _by_heading(lines: Iterable[Sequence[Any]]) -> Iterator[Row]:
    iterator = iter(lines)
    headings = [str(cell or "").strip() for cell in next(iterator, ())][:MOST_COLUMNS]
    if not any(headings):
        raise _unreadable("The first row holds no headings")
    if len({one for one in headings if one}) < len([one for one in headings if one]):
        raise _unreadable("Two columns have the same heading")
    for line in iterator:
        yield {name: _text(cell) for name, cell in zip(headings, line, strict=False) if name}


def _text(cell: Any) -> str:
    if isinstance(cell, datetime):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    text = "" if cell is None else str(cell).strip()
    return text[1:] if text[:1] == "'" and text[1:2] in FORMULA else text


def write_csv(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """The table in pieces, the headings first, so that a large one is never held whole. Begins with a mark that Excel reads
    UTF-8 by."""
    piece = io.StringIO()
    writer = csv.writer(piece)
    piece.write("\ufeff")
    writer.writerow(headings)
    yield _taken(piece)
    for number, row in enumerate(rows, start=1):
        writer.writerow([_safe(as_text(value)) for value in row])
        if number % ROWS_A_PIECE == 0:
            yield _taken(piece)
    yield _taken(piece)


def _taken(piece: io.StringIO) -> bytes:
    """What was written so far; it is empty after that."""
    told = piece.getvalue().encode()
    piece.seek(0)
    piece.truncate()
    return told


def write_json(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """A list of objects in pieces; values keep their type."""
    yield b"["
    piece = bytearray()
    for number, row in enumerate(rows, start=1):
        piece += b",\n" if number > 1 else b""
        piece += orjson.dumps(dict(zip(headings, row, strict=True)), default=str)
        if number % ROWS_A_PIECE == 0:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece) + b"]\n"


def write_xlsx(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """One sheet with its headings frozen; times without zone, as Excel wants them, in UTC."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Agents")
    sheet.freeze_panes = "B2"
    bold = []
    for words in headings:
        cell = WriteOnlyCell(sheet, value=words)
        cell.font = Font(bold=True)
        bold.append(cell)
    sheet.append(bold)
    for row in rows:
        sheet.append([_cell(value) for value in row])
    file = io.BytesIO()
    book.save(file)
    yield file.getvalue()


def as_text(value: Any) -> str:
    """A value as CSV holds it: lists with semicolons, times in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, (list, tuple)):
        return "; ".join(str(item) for item in value)
    return str(value)


def _safe(text: str) -> str:
    return f"'{text}" if text[:1] in FORMULA and text[:1] else text


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return value if isinstance(value, (int, float)) else _safe(as_text(value))


def _unreadable(words: str) -> InvalidInput:
    return InvalidInput("The file was not read.", code="import.unreadable", fields={"file": words})


_READERS: Mapping[str, Callable[[bytes], Iterator[Row]]] = {
    "csv": _read_csv, "xlsx": _read_xlsx, "json": _read_json,
}  # fmt: skip
WRITERS: Mapping[str, Callable[[Sequence[str], Iterable[Sequence[Any]]], Iterator[bytes]]] = {
    "csv": write_csv, "xlsx": write_xlsx, "json": write_json,
}  # fmt: skip
