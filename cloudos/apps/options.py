"""Options of a command line as POSIX writes them: `-la`, `-n 5`, `-n5`, `--`.

    try:
        options = parse(arguments, "n:q")
    except Usage:
        return U8(1)
    if options.has("q"):
        ...

Options may stand after operands, as GNU programs allow; `parse_leading` stops at the first operand.
"""

from __future__ import annotations

from cloudos.lang import U8, U64, Error, managed
from cloudos.sdk import ByteBuffer, List, Text, print_error

DASH = ord("-")
COLON = ord(":")


class Usage(Error):
    """The command line makes no sense; standard error says why."""


@managed
class Options:
    """What a command line holds."""

    letters: ByteBuffer  # the options, in order
    values: List[Text]  # with the value of each; empty for those that take none
    operands: List[Text]

    def __init__(self) -> None:
        self.letters = ByteBuffer()
        self.values = List[Text]()
        self.operands = List[Text]()

    def add(self, letter: U8, value: Text) -> None:
        """Note an option."""
        self.letters.append(letter)
        self.values.append(value)

    def has(self, letter: str) -> bool:
        """Whether this option is there."""
        return self.last(letter) is not None

    def last(self, letter: str) -> U64 | None:
        """The position of the last occurrence of this option, or of any of several letters."""
        wanted = Text(letter)
        found: U64 | None = None
        for i in U64.range(self.letters.length):
            for byte in wanted.content:
                if self.letters[i] == byte:
                    found = i
        return found

    def wins(self, letter: str, among: str) -> bool:
        """Whether, of several options that exclude each other, this one was given last."""
        at = self.last(among)
        if at is None:
            return False
        wanted = Text(letter)
        return self.letters[at] == wanted[0]

    def value(self, letter: str) -> Text | None:
        """The value of the last occurrence of an option; None when it is not there."""
        at = self.last(letter)
        return None if at is None else self.values[at]

    def all_values(self, letter: str) -> List[Text]:
        """The values of all occurrences of an option."""
        wanted = Text(letter)
        result = List[Text]()
        for i in U64.range(self.letters.length):
            if self.letters[i] == wanted[0]:
                result.append(self.values[i])
        return result


def parse(arguments: List[Text], known: str) -> Options:
    """Take apart the arguments from the second on. `known`: the letters, those that take a value before a colon.

    Raises Usage, after saying what is wrong, for others and for missing values.
    """
    return _parse(arguments, known, True)


def parse_leading(arguments: List[Text], known: str) -> Options:
    """`parse`, but all from the first operand on are operands."""
    return _parse(arguments, known, False)


def _parse(arguments: List[Text], known: str, mixed: bool) -> Options:
    letters = Text(known)
    options = Options()
    i = U64(1)
    only_operands = False
    while i < arguments.length:
        argument = arguments[i]
        i += 1
        if only_operands or argument.length < 2 or argument[0] != DASH:
            options.operands.append(argument)
            only_operands = only_operands or not mixed
        elif argument.equals("--"):
            only_operands = True
        elif _cluster(arguments, i, letters, options):
            i += 1
    return options


def _cluster(arguments: List[Text], after: U64, known: Text, options: Options) -> bool:
    """Take apart one argument, before number `after`, of several letters; whether the next one is a value too."""
    argument = arguments[after - 1]
    name = arguments[0]
    if argument[1] == DASH:
        print_error(f"{name}: unrecognized option '{argument}'")
        raise Usage
    at = U64(1)
    while at < argument.length:
        letter = argument[at]
        at += 1
        if not _known(known, letter):
            print_error(f"{name}: invalid option -- '{letter:c}'")
            raise Usage
        if not _takes_value(known, letter):
            options.add(letter, Text(""))
        elif at < argument.length:
            options.add(letter, argument.slice(at, argument.length))
            return False
        elif after < arguments.length:
            options.add(letter, arguments[after])
            return True
        else:
            print_error(f"{name}: option requires an argument -- '{letter:c}'")
            raise Usage
    return False


def _known(known: Text, letter: U8) -> bool:
    if letter == COLON:
        return False
    for byte in known.content:
        if byte == letter:
            return True
    return False


def _takes_value(known: Text, letter: U8) -> bool:
    for i in U64.range(1, known.length):
        if known[i] == COLON and known[i - 1] == letter:
            return True
    return False
