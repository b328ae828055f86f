"""From words to fields: expansions, field splitting, pathnames (POSIX.1-2017, 2.6)."""

from __future__ import annotations

from cloudos.apps.shell.arithmetic import Arithmetic, ArithmeticFailure
from cloudos.apps.shell.characters import COLON, EQUALS, HASH, PERCENT, PLUS, QUESTION, SLASH, TILDE
from cloudos.apps.shell.context import Runner
from cloudos.apps.shell.globs import find_paths
from cloudos.apps.shell.lexer import LENGTH
from cloudos.apps.shell.pattern import BREAK, EMPTY, PLAIN, QUOTED, SPLIT, Marked, matches
from cloudos.apps.shell.state import ExpansionFailure, State
from cloudos.apps.shell.tree import Part, PartKind, Word
from cloudos.lang import U8, U64, managed
from cloudos.sdk import ByteBuffer, List, Text

NEWLINE = 0x0A


@managed
class Expander:
    """Expands words in a state. Methods raise ExpansionFailure when the reason was shown, and ExitShell."""

    state: State
    runner: Runner

    # What callers ask for.

    def fields(self, words: List[Word]) -> List[Text]:
        """The fields of all words."""
        result = List[Text]()
        for word in words:
            run = Marked()
            self.expand(word, run, PLAIN, False)
            self.split(run, result)
        return result

    def text(self, word: Word, assigned: bool = False) -> Text:
        """A word as one text: no splitting, no pathnames. `assigned`: tildes behind colons count too."""
        run = Marked()
        self.expand(word, run, PLAIN, assigned)
        return self.joined(run)

    def pattern(self, word: Word) -> Marked:
        """A word as a pattern."""
        run = Marked()
        self.expand(word, run, PLAIN, False)
        return run

    # Pieces of words.

    def expand(self, word: Word, into: Marked, literal: U8, assigned: bool) -> None:
        """Append a word; `literal` is the mark of its unquoted bytes."""
        for number in U64.range(word.parts.length):
            part = word.parts[number]
            match part.kind:
                case PartKind.LITERAL:
                    last = number + 1 == word.parts.length
                    self.literal(part.text, into, literal, number == 0, last, assigned)
                case PartKind.QUOTED:
                    if part.text.length == 0:
                        into.add(U8(0), EMPTY)
                    into.write(part.text.content, QUOTED)
                case PartKind.PARAMETER:
                    self.parameter(part, into)
                case PartKind.COMMAND:
                    body = part.body
                    assert body is not None
                    self.value(self.runner.capture(body), part.quoted, into)
                case PartKind.ARITHMETIC:
                    self.arithmetic(part, into)

    def literal(self, text: Text, into: Marked, mark: U8, first: bool, last: bool, assigned: bool) -> None:
        """Unquoted bytes: only tildes mean something in them."""
        start = U64(0)
        if first:
            start = self.tilde(text, U64(0), last, assigned, into)
        for at in U64.range(start, text.length):
            if at < start:
                continue
            into.add(text[at], mark)
            if assigned and text[at] == COLON:
                start = self.tilde(text, at + 1, last, assigned, into)

    def tilde(self, text: Text, start: U64, last: bool, assigned: bool, into: Marked) -> U64:
        """Expand `~` at a position; the position behind what was expanded. There is one user: `~name` stays."""
        if start >= text.length or text[start] != TILDE:
            return start
        stop = start + 1
        ends = stop == text.length and last
        if stop < text.length:
            ends = text[stop] == SLASH or (assigned and text[stop] == COLON)
        home = self.state.value("HOME")
        if not ends or home is None:
            return start
        into.write(home.content, QUOTED)
        return stop

    def value(self, text: Text, quoted: bool, into: Marked) -> None:
        """The value of an expansion."""
        if not quoted:
            into.write(text.content, SPLIT)
        elif text.length == 0:
            into.add(U8(0), EMPTY)
        else:
            into.write(text.content, QUOTED)

    def arithmetic(self, part: Part, into: Marked) -> None:
        """`$((…))`."""
        word = part.word
        assert word is not None
        evaluator = Arithmetic(self.text(word), self.state)
        try:
            result = evaluator.evaluate()
        except ArithmeticFailure:
            self.state.complain(f"{evaluator.problem}")
            raise ExpansionFailure
        self.value(Text(f"{result}"), part.quoted, into)

    # Parameters.

    def parameter(self, part: Part, into: Marked) -> None:
        """`$x` and `${x…}`."""
        all_arguments = part.text.equals("@") or part.text.equals("*")
        if part.operator == LENGTH:
            value = Text(f"{self.state.arguments.length}") if all_arguments else self.length(part)
            self.value(value, part.quoted, into)
            return
        present = self.state.arguments.length > 0
        value_or_none: Text | None = None
        if not all_arguments:
            value_or_none = self.state.parameter(part.text)
            present = value_or_none is not None
        if part.strong and value_or_none is not None and value_or_none.length == 0 and not is_trim(part):
            present = False
        if part.strong and all_arguments and self.arguments_empty() and not is_trim(part):
            present = False
        if part.operator == PLUS:
            if present:
                self.operand(part, into)
            elif part.quoted:
                into.add(U8(0), EMPTY)
        elif not present and part.operator != 0 and not is_trim(part):
            self.substitute(part, into)
        elif all_arguments:
            self.arguments(part, into)
        else:
            self.present_value(part, value_or_none, into)

    def arguments_empty(self) -> bool:
        """Whether `$*` is an empty text."""
        return self.state.arguments.length == 1 and self.state.arguments[0].length == 0

    def length(self, part: Part) -> Text:
        """`${#x}`, in bytes."""
        value = self.state.parameter(part.text)
        if value is None:
            self.check_unset(part)
            return Text("0")
        return Text(f"{value.length}")

    def check_unset(self, part: Part) -> None:
        """Raises ExpansionFailure when `set -u` is on."""
        if self.state.options.unset_is_error:
            self.state.complain(f"{part.text}: parameter not set")
            raise ExpansionFailure

    def present_value(self, part: Part, value: Text | None, into: Marked) -> None:
        """The value itself, perhaps with something taken off."""
        if value is None:
            self.check_unset(part)
            self.value(Text(""), part.quoted, into)
            return
        word = part.word
        if is_trim(part) and word is not None:
            value = trimmed(value, self.pattern(word), part.operator == HASH, part.strong)
        self.value(value, part.quoted, into)

    def operand(self, part: Part, into: Marked) -> None:
        """What stands behind the operator, in place of the parameter."""
        word = part.word
        assert word is not None
        if part.quoted and word.parts.length == 0:
            into.add(U8(0), EMPTY)
        self.expand(word, into, SPLIT, False)

    def substitute(self, part: Part, into: Marked) -> None:
        """`-`, `=` and `?` for a parameter that is not there."""
        word = part.word
        assert word is not None
        if part.operator == EQUALS:
            if part.text[0] <= 0x39 or part.text[0] == 0x3F or part.text[0] == 0x40:
                self.state.complain(f"{part.text}: bad variable name")
                raise ExpansionFailure
            text = self.text(word)
            self.state.set(part.text, text)
            self.value(text, part.quoted, into)
        elif part.operator == QUESTION:
            text = self.text(word)
            if text.length == 0:
                text = Text("parameter null or not set" if part.strong else "parameter not set")
            self.state.complain(f"{part.text}: {text}")
            raise ExpansionFailure
        else:
            self.operand(part, into)

    def arguments(self, part: Part, into: Marked) -> None:
        """`$@` and `$*`."""
        together = part.quoted and part.text.equals("*")
        if together and self.state.arguments.length == 0:
            into.add(U8(0), EMPTY)
        separators = self.separators()
        for number in U64.range(self.state.arguments.length):
            if number > 0 and not together:
                into.add(U8(0), BREAK)
            elif number > 0 and separators.length > 0:
                into.add(separators[0], QUOTED)
            self.value(self.state.arguments[number], part.quoted, into)

    # Fields.

    def separators(self) -> Text:
        """What IFS has."""
        value = self.state.value("IFS")
        return Text(" \t\n") if value is None else value

    def joined(self, run: Marked) -> Text:
        """One text where no fields are made: those of `$@` have spaces between them."""
        result = ByteBuffer()
        for at in U64.range(run.length):
            if run.marks[at] == BREAK:
                result.append(U8(0x20))
            elif run.marks[at] != EMPTY:
                result.append(run.bytes[at])
        return result.to_text()

    def split(self, run: Marked, into: List[Text]) -> None:
        """Make fields of what was expanded."""
        separators = self.separators()
        field = Marked()
        at = U64(0)
        while at < run.length:
            mark = run.marks[at]
            if mark == BREAK:
                self.finish(field, into)
                field = Marked()
                at += 1
            elif mark == SPLIT and contains(separators, run.bytes[at]):
                stop, hard = delimiter(run, at, separators)
                if hard and field.length == 0:
                    into.append(Text(""))
                self.finish(field, into)
                field = Marked()
                at = stop
            else:
                field.add(run.bytes[at], mark)
                at += 1
        self.finish(field, into)

    def finish(self, field: Marked, into: List[Text]) -> None:
        """A field is complete; one of nothing at all is none."""
        if field.length == 0:
            return
        if not self.state.options.no_globs and field.has_pattern():
            found = find_paths(field, self.state)
            if found.length > 0:
                into.extend(found)
                return
        into.append(field.text())


def is_trim(part: Part) -> bool:
    """Whether something is taken off the value."""
    return part.operator == PERCENT or part.operator == HASH


def contains(text: Text, byte: U8) -> bool:
    """Whether a text has a byte."""
    for one in text.content:
        if one == byte:
            return True
    return False


def is_space(byte: U8) -> bool:
    """Whether several of it in IFS separate like one."""
    return byte == 0x20 or byte == 0x09 or byte == NEWLINE


def delimiter(run: Marked, start: U64, separators: Text) -> tuple[U64, bool]:
    """The position behind what separates two fields, and whether more than white space is in it."""
    at, hard = start, False
    while at < run.length and run.marks[at] == SPLIT and contains(separators, run.bytes[at]):
        if not is_space(run.bytes[at]):
            if hard:
                break
            hard = True
        at += 1
    return at, hard


def trimmed(value: Text, pattern: Marked, front: bool, longest: bool) -> Text:
    """The value without the shortest or longest part at its front or end that matches."""
    for step in U64.range(value.length + 1):
        taken = value.length - step if longest else step
        if front and matches(pattern, value.content[0:taken]):
            return value.slice(taken, value.length)
        if not front and matches(pattern, value.content[value.length - taken : value.length]):
            return value.slice(U64(0), value.length - taken)
    return value


def without_newlines(output: ByteBuffer) -> Text:
    """What a command substitution gives: no newlines at the end, and no zero bytes."""
    length = output.length
    while length > 0 and output[length - 1] == NEWLINE:
        length -= 1
    result = ByteBuffer()
    for at in U64.range(length):
        if output[at] != 0:
            result.append(output[at])
    return result.to_text()
