"""Tables of numbers and lists of names in text: .csv, and .txt for names.

Cells are separated by tabs, semicolons, commas or blanks; lines that begin with # are comments.
What could mean two things is asked about: nothing here is a guess.
"""
import csv
import itertools
import re
from array import array

import numpy as np

from .files import NUMBERS, encoding
from .graph import CLASS_COLUMN, LARGEST, ConversionError, fits_float32

MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?", "#n/a", "inf", "-inf", "+inf")
QUOTED = re.compile(r'"[^"]*"')
COMMA = re.compile(r"[-+]?(?=[.,]*\d)[\d.]*,[\d.,]*([eE][-+]?\d+)?")
THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")
TABLE = 1 << 29  # bytes of a file
LINE = 1 << 24  # characters of a line
LOOKED_AT = 50  # lines that tell the separator


def read_numbers(path):
    """float64 [rows, columns]; a first line without any number is a header and left out."""
    return _numbers(path, _Table(path))


def read_classes(path):
    """What the classes of samples are: floats [rows, columns], or names, a list of str.

    A first line of names above numbers is a header; whether one above names is, the caller knows.
    """
    table = _Table(path, names=True)
    rows = list(table.rows())
    if len(rows) == 1:  # all of them in one line
        rows = [(rows[0][0], [cell]) for cell in rows[0][1]]
    cells = [row[0] for _, row in rows]
    if max(len(row) for _, row in rows) > 1 or all(
            _is_number(c) or _is_missing(c) for c in cells[1:] or cells):
        return _numbers(path, table)
    for line, row in rows:
        if not row[0].strip():
            raise ConversionError(f"{path}, line {line} is empty: give every sample its class")
    return [c.strip() for c in cells]


class _Table:
    """The cells of a text file. separator: a character, " " for blanks, "" for one cell a line."""

    def __init__(self, path, names=False):
        self.path = path
        self.encoding = encoding(path, TABLE)
        if str(path).lower().endswith(".txt"):
            self.separator = ""
        else:
            self.separator = self._separator("\t;," if names else "\t;, ")
        if next(self.rows(), None) is None:
            raise ConversionError(f"{path} holds no data")

    def rows(self):
        """(number of the line as an editor counts, cells) of each row."""
        if self.separator in ("", " "):
            for number, line in self.used():
                yield number, line.split() if self.separator else [line.strip()]
            return
        numbers = []  # of the lines that the reader has taken for a row

        def lines():
            for number, line in self.used():
                numbers.append(number)
                yield line

        try:
            for row in csv.reader(lines(), delimiter=self.separator, strict=True,
                                  skipinitialspace=True):
                yield numbers[0], row
                numbers.clear()
        except csv.Error as error:
            raise ConversionError(f"{self.path}, line {numbers[0]}: {error}")

    def used(self):
        with open(self.path, encoding=self.encoding, newline=None) as file:
            number = 0
            while line := file.readline(LINE):
                number += 1
                if len(line) == LINE:
                    raise ConversionError(f"{self.path}, line {number} has {LINE:,} characters or "
                                          "more: a row is a sample, on a line of its own")
                if line.strip() and not line.lstrip().startswith("#"):
                    yield number, line.rstrip("\n")

    def has(self, character):
        return any(character in line for _, line in self.used())

    def _separator(self, candidates):
        """The one that most of the first lines have, outside of quotes."""
        found = dict.fromkeys(candidates, 0)
        for (_, line), _ in zip(self.used(), range(LOOKED_AT)):
            line = QUOTED.sub("", line).strip(" ")
            for c in candidates:
                found[c] += c in line
        best = max(found, key=found.get)
        if found[best]:
            return best
        return "," if self.has('"') else ""


def _numbers(path, table):
    first, cells = next(table.rows())
    header = not any(_is_number(c) for c in cells) and not all(_is_missing(c) for c in cells)
    head = next(itertools.islice(table.rows(), int(header), None), None)
    if head is None:
        raise ConversionError(f"{path} holds no data below its header")
    comma = _decimal_comma(table, header)
    found = None if comma else _fast(table, header, len(head[1]))
    if found is None or not fits_float32(found):
        found = _with_care(table, header, comma)
    return found


def _fast(table, header, width):
    """What NumPy's own reader makes of a table, None if it is in doubt."""
    lines = (line for _, line in table.used())
    try:
        found = np.loadtxt(itertools.islice(lines, int(header), None), ndmin=2, quotechar='"',
                           delimiter={" ": None, "": "\0"}.get(table.separator, table.separator),
                           max_rows=NUMBERS // width + 1)
    except ValueError:
        return None
    return found if found.size <= NUMBERS else None


def _with_care(table, header, comma):
    """The same, cell by cell: raises ConversionError with the line of what is wrong."""
    path, width, values, lines = table.path, None, array("d"), array("q")
    for row, (number, cells) in enumerate(table.rows()):
        if row == 0 and header:
            continue
        if width is None:
            width, first = len(cells), number
        if len(cells) != width:
            columns = "1 column" if len(cells) == 1 else f"{len(cells)} columns"
            raise ConversionError(f"{path}, line {number} has {columns}, line {first} has {width}")
        if comma:
            cells = [c.replace(",", ".") for c in cells]
        try:
            values.extend(map(float, cells))
        except ValueError:
            _refuse(path, number, cells)
        if len(values) > NUMBERS:
            raise ConversionError(f"{path} holds more than the {NUMBERS:,} numbers that are read: "
                                  "give a part of it")
        lines.append(number)
    found = np.frombuffer(values).reshape(-1, width)
    if fits_float32(found):
        return found
    row, column = np.argwhere(~(np.abs(found) <= LARGEST))[0].tolist()
    if np.isnan(found[row, column]):
        raise ConversionError(_is_empty(path, lines[row], column))
    raise ConversionError(f"{path}, line {lines[row]}, column {column + 1} holds a number beyond "
                          f"{LARGEST:.2g}, the largest of float32")


def _decimal_comma(table, header):
    """Whether commas in cells are decimal commas; ConversionError where they may be both."""
    sign = '"' if table.separator == "," else ","  # without it no cell has a comma
    if not table.has(sign):
        return False
    sure, unsure, point = False, None, None
    for row, (number, cells) in enumerate(table.rows()):
        if row == 0 and header:
            continue
        for cell in cells:
            cell = cell.strip()
            if COMMA.fullmatch(cell):
                if "." in cell:
                    raise ConversionError(
                        f"{table.path}, line {number}: {cell!r} has a point and a comma: write "
                        "numbers with a decimal point only")
                if THOUSANDS.fullmatch(cell):
                    unsure = unsure or (number, cell)
                else:
                    sure = True
            elif "." in cell and point is None and _is_number(cell):
                point = number, cell
    if (sure or unsure) and point:
        raise ConversionError(f"{table.path}, line {point[0]}: {point[1]!r} has a decimal point, "
                              "other numbers of the file have a comma: write all with a point")
    if unsure and not sure:
        number, cell = unsure
        raise ConversionError(f"{table.path}, line {number}: is {cell!r} {cell.replace(',', '.')} "
                              f"or {cell.replace(',', '')}? Write numbers with a decimal point "
                              "and without separators")
    return sure


def _refuse(path, number, cells):
    """Say which cell of a row is no number, and what it may be."""
    wrong = [i for i, c in enumerate(cells) if not _is_number(c)]
    column = wrong[0]
    if _is_missing(cells[column]):
        raise ConversionError(_is_empty(path, number, column))
    n = len(cells)
    if wrong == [n - 1] and n > 1:
        raise ConversionError(
            f"{path}, line {number} ends with {cells[-1]!r}: {n} columns, {n - 1} inputs: is the "
            f"last one the class? {CLASS_COLUMN}")
    raise ConversionError(f"{path}, line {number}, column {column + 1}: {cells[column]!r} is not "
                          "a number")


def _is_empty(path, number, column):
    return (f"{path}, line {number}, column {column + 1} is empty or not finite: fill it in, or "
            "leave the line out")


def _is_missing(cell):
    return cell.strip().lower() in MISSING


def _is_number(cell):
    """A number, maybe with a decimal comma."""
    cell = cell.strip()
    if COMMA.fullmatch(cell):
        return True
    try:
        return not _is_missing(cell) and float(cell) is not None
    except ValueError:
        return False
