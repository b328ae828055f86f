"""Tables: cells in aligned columns."""

from __future__ import annotations

from cloudos.apps.administration.formats import columns_of
from cloudos.lang import U64, managed, write_text
from cloudos.sdk import List, Text, stdout


@managed
class Table:
    """Rows of cells. The columns in `right` are aligned to the right; two spaces stand between columns."""

    count: U64
    right: U64  # a bit for each column
    cells: List[Text]

    def add(self, cell: str) -> None:
        """One more cell."""
        self.cells.append(Text(cell))

    def add_text(self, cell: Text) -> None:
        """One more cell."""
        self.cells.append(cell)

    def add_words(self, words: str) -> None:
        """A cell for each word."""
        line = Text(words)
        self.cells.extend(line.words())

    @property
    def rows(self) -> U64:
        """How many rows are complete."""
        return self.cells.length // self.count

    def width(self, column: U64) -> U64:
        """Of the widest cell of a column."""
        widest = U64(0)
        for row in U64.range(self.rows):
            widest = max(widest, columns_of(self.cells[row * self.count + column].content))
        return widest

    def widths(self) -> List[U64]:
        """Of all columns."""
        result = List[U64]()
        for column in U64.range(self.count):
            result.append(self.width(column))
        return result

    def show(self) -> None:
        """Write all rows to standard output."""
        widths = self.widths()
        for row in U64.range(self.rows):
            self.show_row(row, widths)

    def show_row(self, row: U64, widths: List[U64]) -> None:
        """Write one row, with nothing behind its last cell."""
        for column in U64.range(self.count):
            cell = self.cells[row * self.count + column]
            padding = widths[column] - columns_of(cell.content)
            if column > 0:
                write_text(stdout, "  ")
            if self.right.bit(column):
                spaces(padding)
            stdout.write(cell.content)
            if column + 1 < self.count and not self.right.bit(column):
                spaces(padding)
        write_text(stdout, "\n")


def spaces(count: U64) -> None:
    """Write spaces to standard output."""
    for _ in U64.range(count):
        write_text(stdout, " ")


def table(columns: U64, right: U64) -> Table:
    """A table without rows."""
    return Table(columns, right, List[Text]())
