"""Sheets of samples: CSV (or TSV) and JSON Lines files, one sample a line."""

import csv
import io
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from explorer_runner.errors import StoreError
from explorer_runner.format.validation import load_json
from explorer_runner.models import Sample
from gencove_explorer.errors import SheetError
from gencove_explorer.utils.text_files import read_text

MISSING = frozenset(("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "."))
"""Cells of a CSV file that hold nothing: None in the metadata."""
MAX_BYTES = 256 << 20
"""Largest sheet that is read."""
_Read = Callable[[Path, str], Iterator[tuple[int, Any]]]
"""Of a path, for errors, and the text there: number and content of each line."""
FILES = "files."
"""Columns of this prefix hold addresses: ``files.bam`` is the sample's file ``bam``."""

_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def read_samples(path: str | Path) -> list[Sample]:
    """The samples of a sheet: ``.csv``, ``.tsv`` or ``.jsonl``, UTF-8, one sample a line.

    Column ``id`` is required, ``client_id`` is known, ``files.<name>`` holds a file's address, and
    every other column is metadata. An address that is a relative path starts at the sheet's folder. A CSV
    column is of whole numbers, numbers or truth values if all its cells are (missing ones apart), else it
    is text; ids are always text. A line of JSON may also hold ``files`` and ``metadata`` as the objects
    that ``Sample`` has. Raises SheetError with the line.
    """
    path = Path(path)
    rows = _rows(path)
    return _samples(path, rows)


def read_table(path: str | Path) -> list[Any]:
    """The rows of a table: samples where there is an ``id``, as ``read_samples`` has them, else dictionaries.

    Lines of a .jsonl file may also be other values. Raises SheetError with the line.
    """
    path = Path(path)
    rows = _rows(path)
    if rows and all(isinstance(row, dict) and "id" in row for _, row in rows):
        return _samples(path, rows)
    return [row for _, row in rows]


def _rows(path: Path) -> list[tuple[int, Any]]:
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise SheetError(f"{path}: a sheet's name ends in {', '.join(READERS)}")
    try:
        return list(read(path, read_text(path, MAX_BYTES)))
    except (OSError, ValueError) as error:
        if isinstance(error, SheetError):
            raise
        raise SheetError(f"{path} cannot be read: {error}") from error


def _samples(path: Path, rows: list[tuple[int, Any]]) -> list[Sample]:
    samples: list[Sample] = []
    lines: dict[str, int] = {}
    for line, row in rows:
        sample = _sample(path, line, row)
        if sample.id in lines:
            raise SheetError(
                f"{path}, line {line}: sample {sample.id!r} stands on line {lines[sample.id]} too"
            )
        lines[sample.id] = line
        samples.append(sample)
    return samples


def _sample(path: Path, line: int, row: Any) -> Sample:
    where = f"{path}, line {line}"
    if not isinstance(row, dict):
        raise SheetError(f'{where}: use an object, {{"id": ...}}')
    name = row.get("id")
    if not isinstance(name, str) or not name:
        raise SheetError(f"{where}: the sample has no id: {_no_id(row)}")
    columns = {key: value for key, value in row.items() if key not in ("id", "client_id")}
    files, metadata = _objects(columns, where) if path.suffix.lower() == _LINES else ({}, {})
    for key, value in columns.items():
        part, called = (files, key[len(FILES) :]) if key.startswith(FILES) else (metadata, key)
        if called in part:
            raise SheetError(f"{where}: sample {name} has {key!r} twice: in an object, and beside it")
        part[called] = value
    files = {called: uri for called, uri in files.items() if uri}
    wrong = next((called for called, uri in files.items() if not isinstance(uri, str)), None)
    if wrong is not None:
        raise SheetError(f"{where}: the file {wrong!r} of sample {name} is no address")
    whole = {called: _whole_address(uri, path.parent) for called, uri in files.items()}
    try:
        return Sample(id=name, client_id=row.get("client_id") or "", metadata=metadata, files=whole)
    except StoreError as error:  # an address that jobs cannot read
        raise SheetError(f"{where}: {error}") from error


def _no_id(row: dict[str, Any]) -> str:
    if "id" in row:
        return f"'id' holds {row['id']!r}, and is text that tells it from the others"
    columns = ", ".join(map(repr, row)) or "nothing"
    parted = " (.csv parts cells by commas, .tsv by tabs)" if len(row) == 1 else ""
    return f"a column 'id' is needed; found {columns}{parted}"


def _objects(columns: dict[str, Any], where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Takes ``files`` and ``metadata`` out of a line of JSON."""
    rows = []
    for field in ("files", "metadata"):
        value = columns.pop(field, {})
        if not isinstance(value, dict):
            raise SheetError(f"{where}: {field} is an object of names and what they stand for")
        rows.append(dict(value))
    return rows[0], rows[1]


def _whole_address(uri: str, folder: Path) -> str:
    """A path from the sheet's folder: the same file wherever the sheet is read from."""
    return uri if "://" in uri else os.path.abspath(folder / os.path.expanduser(uri))


def _csv(delimiter: str) -> _Read:
    def read(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows = []
        try:
            heads = next(reader, [])
            if not heads or len(set(heads)) < len(heads):
                raise SheetError(f"{path}, line 1: use one heading a column; found {heads[:50]}")
            for cells in reader:
                if len(cells) != len(heads) and cells:
                    raise SheetError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells, the headings are {len(heads)}"
                    )
                if cells:
                    rows.append((reader.line_num, cells))
        except csv.Error as error:
            raise SheetError(f"{path}, line {reader.line_num}: it cannot be read: {error}") from error
        kinds = [_kind(head, [cells[place] for _, cells in rows]) for place, head in enumerate(heads)]
        for line, cells in rows:
            yield line, {head: kind(cell) for head, kind, cell in zip(heads, kinds, cells, strict=True)}

    return read


def _kind(head: str, cells: list[str]) -> Callable[[str], Any]:
    """How a column's cells are read."""
    if head in ("id", "client_id"):
        return str
    if not head.startswith(FILES):
        present = [cell for cell in set(cells) if cell not in MISSING]
        for convert in (_TRUTH.__getitem__, _whole, _number):
            try:
                for cell in present:
                    convert(cell)
            except (KeyError, ValueError):
                continue
            return lambda cell: None if cell in MISSING else convert(cell)
    return lambda cell: None if cell in MISSING else cell


def _whole(cell: str) -> int:
    if str(int(cell)) != cell:  # 007 is a name, and so is 1_000
        raise ValueError(cell)
    return int(cell)


def _number(cell: str) -> float:
    padded = cell != cell.strip() or (cell.lstrip("-").startswith("0") and cell.isdigit())
    if padded or "_" in cell or not math.isfinite(float(cell)):
        raise ValueError(cell)
    return float(cell)


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    for line, row_text in enumerate(io.StringIO(text, newline=None), start=1):
        if not row_text.strip():
            continue
        try:
            row = load_json(row_text)
        except ValueError as error:
            raise SheetError(f"{path}, line {line}: this is not JSON: {error}") from error
        yield line, row


_LINES = ".jsonl"
READERS = {".csv": _csv(","), ".tsv": _csv("\t"), _LINES: _json_lines}
