"""A small terminal: what somebody in front of it would see. ECMA-48 as far as the console uses it."""

from __future__ import annotations

import unicodedata


def width(character: str) -> int:
    """Columns of a character, by the database of Unicode and not by the console's own table."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class Terminal:
    """Cells of text; a wide character has an empty cell behind it. `pending`: a full row was not left yet."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.columns, self.rows = columns, rows
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        self.pending = False
        self.bells = 0
        self.saved = (0, 0)
        self.answers = bytearray()
        self._sequence = ""

    def feed(self, content: bytes) -> None:
        for character in content.decode():
            self._take(character)

    def lines(self) -> list[str]:
        return ["".join(row).rstrip() for row in self.cells]

    def text(self) -> str:
        """All rows, without empty ones at the end."""
        return "\n".join(self.lines()).rstrip("\n")

    def _take(self, character: str) -> None:
        if self._sequence or character == "\x1b":
            self._sequence += character
            self._escape()
        elif character == "\r":
            self.column, self.pending = 0, False
        elif character == "\n":
            self._next_row()
        elif character == "\b":
            self.column, self.pending = max(self.column - 1, 0), False
        elif character == "\t":
            self.column, self.pending = min((self.column // 8 + 1) * 8, self.columns - 1), False
        elif character == "\a":
            self.bells += 1
        elif character < " ":
            raise AssertionError(f"a control character reached the terminal: {character!r}")
        else:
            self._put(character)

    def _put(self, character: str) -> None:
        columns = width(character)
        if columns == 0:
            at = self.column if self.pending else max(self.column - 1, 0)
            while at > 0 and self.cells[self.row][at] == "":
                at -= 1
            self.cells[self.row][at] += character
            return
        if self.pending or self.column + columns > self.columns:
            self.column, self.pending = 0, False
            self._next_row()
        self.cells[self.row][self.column] = character
        if columns == 2:
            self.cells[self.row][self.column + 1] = ""
        self.column += columns
        if self.column == self.columns:
            self.column, self.pending = self.columns - 1, True

    def _next_row(self) -> None:
        if self.row < self.rows - 1:
            self.row += 1
        else:
            self.cells = [*self.cells[1:], [" "] * self.columns]

    def _escape(self) -> None:
        sequence = self._sequence
        if sequence in ("\x1b", "\x1b[") or (sequence[1] == "[" and not "@" <= sequence[-1] <= "~"):
            return
        self._sequence = ""
        if sequence == "\x1b7":
            self.saved = (self.row, self.column)
        elif sequence == "\x1b8":
            self.row, self.column = self.saved
        else:
            assert sequence[1] == "[", f"unknown sequence {sequence!r}"
            numbers = [int(part) if part else 0 for part in sequence[2:-1].split(";")]
            self._control(sequence[-1], numbers)

    def _control(self, final: str, numbers: list[int]) -> None:
        first = max(numbers[0], 1)
        if final == "m":
            return
        if final == "A":
            self.row = max(self.row - first, 0)
        elif final == "C":
            self.column = min(self.column + first, self.columns - 1)
        elif final == "H":
            second = max(numbers[1], 1) if len(numbers) > 1 else 1
            self.row, self.column = min(first, self.rows) - 1, min(second, self.columns) - 1
        elif final == "K":
            assert numbers[0] == 0
            self._erase(self.row, self.column)
        elif final == "J":
            self._erase(self.row, self.column if numbers[0] == 0 else 0)
            for row in range(0 if numbers[0] == 2 else self.row, self.rows):
                if row != self.row or numbers[0] == 2:
                    self._erase(row, 0)
        elif final == "n":
            self.answers += f"\x1b[{self.row + 1};{self.column + 1}R".encode()
        else:
            raise AssertionError(f"unknown sequence: {numbers} {final}")
        self.pending = False

    def _erase(self, row: int, column: int) -> None:
        self.cells[row][column:] = [" "] * (self.columns - column)
