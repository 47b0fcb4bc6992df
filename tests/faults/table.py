"""The table that `make faults` ends with: every scenario adds its row to a file, and this prints them.

python -m tests.faults.table FILE
"""

import json
import os
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path

#: Where rows are kept; unset in `make test`.
FILE = "FAULTS_TABLE"


@dataclass(frozen=True)
class Row:
    """What a scenario came to. `bound` is how often a message may have been repeated; `note` has other measurements."""

    scenario: str
    database: str
    faults: str
    recipients: int
    lost: int
    repeated: int
    bound: int
    unconfirmed: int
    seconds: float
    verdict: str
    note: str = ""


def add(row: Row) -> None:
    """Appends the row; one write, so that test processes side by side don't mix theirs."""
    if path := os.environ.get(FILE):
        with Path(path).open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")


def text(rows: list[Row]) -> str:
    """The rows as a table in Markdown."""
    names = [field.name for field in fields(Row)]
    cells = [names, *([str(getattr(row, name)) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
             for line in cells]  # fmt: skip
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


if __name__ == "__main__":
    read = [Row(**json.loads(line)) for line in Path(sys.argv[1]).read_text().splitlines()]
    print(text(sorted(read, key=lambda row: (row.scenario, row.database))))
    print("verdict:", "all passed" if read and all(row.verdict == "passed" for row in read) else "NOT all passed")
