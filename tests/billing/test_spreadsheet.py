"""Somebody opens our files in LibreOffice: it has the numbers that a strict parser has, and runs nothing.

The files are those that were agreed (test_golden.py holds the code to them), with everything that is difficult in them.
"""

import csv
import shutil
import subprocess
import zipfile
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from billing.exports import What

GOLDEN = Path(__file__).parent / "golden"
SOFFICE = shutil.which("soffice")
pytestmark = pytest.mark.skipif(SOFFICE is None, reason="LibreOffice (`soffice`, Calc) is not on this machine")
# Comma, double quote, UTF-8, from line 1, American; as its dialogue has it: no quoted field is text by itself, and
# nothing but plain numbers is made a number.
AS_CSV = "CSV:44,34,76,1,,1033,false,false"
NUMBERS = {
    "quantity", "corrections", "vendor_requests", "active_assets", "free_assets", "billable_assets", "asset_price",
    "amount", "ConsumedQuantity",
}  # fmt: skip
NS = {"s": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
Cell = str | Decimal | None


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files lie as LibreOffice has written them, after it had read them."""
    folder = tmp_path_factory.mktemp("soffice")
    files = [str(GOLDEN / f"{what}.csv") for what in What]
    program = [
        str(SOFFICE), "--headless", f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--convert-to", "xlsx",
        f"--infilter={AS_CSV}", "--outdir", str(folder), *files,
    ]  # fmt: skip
    subprocess.run(program, capture_output=True, check=True, timeout=300)
    return folder


def strict(what: What) -> list[list[Cell]]:
    """As RFC 4180 has it. Nothing between two commas is an empty cell."""
    with (GOLDEN / f"{what}.csv").open(newline="") as file:
        head, *lines = csv.reader(file, strict=True)
    cells: list[list[Cell]] = [[*head]]
    for line in lines:
        row = zip(head, line, strict=True)
        cells.append([(Decimal(value) if name in NUMBERS else value) if value else None for name, value in row])
    return cells


def in_sheet(path: Path) -> list[list[Cell]]:
    """The rows of an .xlsx, each as long as the first. A cell is a number or text; a formula is found out."""
    with zipfile.ZipFile(path) as book:
        strings = ET.fromstring(book.read("xl/sharedStrings.xml"))
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))
    assert not sheet.findall(".//s:f", NS)
    texts = ["".join(each.itertext()) for each in strings.findall("s:si", NS)]
    rows = [
        {_column(cell): _value(cell, texts) for cell in row.findall("s:c", NS)}
        for row in sheet.iterfind(".//s:row", NS)
    ]
    return [[row.get(number) for number in range(len(rows[0]))] for row in rows]


def _column(cell: ET.Element) -> int:
    """From 0: that of B7 is 1. No file of ours has more than 26."""
    return ord(cell.attrib["r"][0]) - ord("A")


def _value(cell: ET.Element, texts: list[str]) -> Cell:
    value = cell.findtext("s:v", namespaces=NS)
    if value is None:
        return None
    return texts[int(value)] if cell.get("t") == "s" else Decimal(value)


@pytest.mark.parametrize("what", What)
def test_libreoffice_has_the_cells_of_a_strict_parser(opened: Path, what: What) -> None:
    """A number that had become text would be left out of a sum, silently."""
    expected = strict(what)

    assert in_sheet(opened / f"{what}.xlsx") == expected
    assert any(isinstance(cell, Decimal) for row in expected for cell in row)
