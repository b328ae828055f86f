"""Runs the commands of sed on lines."""

from __future__ import annotations

from cloudos.apps.inputs import reason
from cloudos.apps.regex import Regex
from cloudos.apps.toolbox.sed_input import Input
from cloudos.apps.toolbox.sed_script import LAST, LINE, LITERAL, MORE, Address, Command
from cloudos.lang import U8, U64, Error, Sink, Slice, error_code, managed, write_text
from cloudos.sdk import ByteBuffer, KeyMissing, List, Map, Text, print_error
from cloudos.sdk.filesystem import FileWriter, create_file, open_path

NEWLINE = ord("\n")
WIDTH = 69  # of what l writes in one line, without the backslash

# What follows a command.
NEXT = 0
END_CYCLE = 1  # and print
DELETED = 2  # the cycle ends without printing
RESTART = 3  # another cycle with what is left
QUIT = 4  # print, and end
END = 5  # end at once


@managed
class Machine:
    """The state of sed."""

    commands: List[Command]
    input: Input
    out: Sink
    quiet: bool
    line: ByteBuffer  # the pattern space
    hold: ByteBuffer
    number: U64
    # Written at the end of the cycle: texts, and files by name where the text is empty.
    texts: List[Text]
    names: List[Text]
    last_regex: Regex | None
    replaced: bool
    files: Map[Text, FileWriter]
    status: U8
    # The last line was written without a newline, which comes when something follows.
    owes_newline: bool

    def run(self) -> None:
        """Go through all lines, or until a command ends that."""
        keeps = False
        while keeps or self.read():
            keeps = False
            outcome = self.cycle()
            if (outcome == NEXT or outcome == END_CYCLE or outcome == QUIT) and not self.quiet:
                self.print()
            if outcome != END:
                self.flush()
            if outcome >= QUIT:
                return
            keeps = outcome == RESTART

    def read(self) -> bool:
        """Read the next line into the pattern space; False when there is none."""
        self.line.clear()
        if not self.input.next(self.line):
            return False
        self.number += 1
        self.replaced = False
        return True

    def print(self) -> None:
        """Write the pattern space; with a newline, unless it is the last line and had none."""
        self.emit(self.line.content())
        if self.input.complete:
            write_text(self.out, "\n")
        else:
            self.owes_newline = True

    def emit(self, content: Slice[U8]) -> None:
        """Write bytes."""
        if self.owes_newline:
            write_text(self.out, "\n")
            self.owes_newline = False
        self.out.write(content)

    def flush(self) -> None:
        """Write what a and r want to have behind the line."""
        for i in U64.range(self.texts.length):
            if self.names[i].length == 0:
                self.emit(self.texts[i].content)
                continue
            try:
                content = open_path(self.names[i]).read_all()
                if content.length > 0:
                    self.emit(content.content)
            except Error:
                pass
        self.texts.clear()
        self.names.clear()

    # Which commands.

    def cycle(self) -> U64:
        """Run the commands on the line; what follows."""
        at = U64(0)
        while at < self.commands.length:
            command = self.commands[at]
            if self.selects(command) == command.negated:
                at = command.target + 1 if command.letter == 0x7B else at + 1
                continue
            match command.letter:
                case 0x62:
                    at = command.target
                    continue
                case 0x74 | 0x54:
                    jumps = self.replaced == (command.letter == 0x74)
                    self.replaced = False
                    if jumps:
                        at = command.target
                        continue
                case _:
                    outcome = self.perform(command)
                    if outcome != NEXT:
                        return outcome
            at += 1
        return U64(NEXT)

    def selects(self, command: Command) -> bool:
        """Whether the addresses of a command mean the line."""
        first, second = command.first, command.second
        if first is None:
            return True
        if second is None:
            return self.matches(first)
        if command.within:
            return self.goes_on(command, second)
        from_start = first.kind == LINE and first.number == 0
        if not (self.matches(first) or (from_start and self.number == 1)):
            return False
        if second.kind == LINE or second.kind == MORE:
            command.until = second.number if second.kind == LINE else self.number + second.number
            command.within = command.until > self.number
        elif from_start:
            command.within = True
            return self.goes_on(command, second)
        else:
            command.until = U64(0)
            command.within = second.kind != LAST or not self.input.is_last()
        return True

    def goes_on(self, command: Command, second: Address) -> bool:
        """Whether a range that was begun has the line in it; whether it is the last."""
        if second.kind == LINE or second.kind == MORE:
            command.within = self.number < command.until
            return self.number <= command.until or self.matches_first(command)
        command.within = not self.matches(second)
        return True

    def matches_first(self, command: Command) -> bool:
        """Whether the line begins a range anew."""
        first = command.first
        return first is not None and self.matches(first)

    def matches(self, address: Address) -> bool:
        """Whether an address means the line."""
        match address.kind:
            case 0:
                return self.number == address.number
            case 1:
                return self.input.is_last()
            case 3:
                if address.step == 0:
                    return self.number == address.number
                return self.number >= address.number and (self.number - address.number) % address.step == 0
            case _:
                regex = self.used(address.regex)
                return regex is not None and regex.matches(self.line.content())

    def used(self, regex: Regex | None) -> Regex | None:
        """A pattern, or the one that was used last."""
        if regex is not None:
            self.last_regex = regex
        return self.last_regex

    # Commands.

    def perform(self, command: Command) -> U64:
        """Run a command that does not jump; what follows."""
        match command.letter:
            case 0x73:
                self.substitute(command)
            case 0x79:
                self.translate(command)
            case 0x64:
                return U64(DELETED)
            case 0x44:
                return self.delete_first()
            case 0x70:
                self.print()
            case 0x50:
                self.write_line(self.first_line())
            case 0x71 | 0x51:
                self.status = U8.truncate(command.target)
                return U64(QUIT) if command.letter == 0x71 else U64(END)
            case 0x6E:
                return self.following()
            case 0x4E:
                return self.append_following()
            case 0x3D:
                number = Text(f"{self.number}")
                self.write_line(number.content)
            case 0x6C:
                self.show_escaped()
            case 0x77:
                self.write_file(command.text)
            case _:
                return self.add_or_hold(command)
        return U64(NEXT)

    def add_or_hold(self, command: Command) -> U64:
        """The commands for more text and for the hold space."""
        match command.letter:
            case 0x61 | 0x72:
                is_text = command.letter == 0x61
                self.texts.append(command.text)
                self.names.append(Text("") if is_text else command.text)
            case 0x69:
                self.emit(command.text.content)
            case 0x63:
                if command.negated or command.second is None or not command.within:
                    self.emit(command.text.content)
                return U64(DELETED)
            case 0x67:
                self.line.clear()
                self.line.write(self.hold.content())
            case 0x47:
                self.line.append(U8(NEWLINE))
                self.line.write(self.hold.content())
            case 0x68:
                self.hold.clear()
                self.hold.write(self.line.content())
            case 0x48:
                self.hold.append(U8(NEWLINE))
                self.hold.write(self.line.content())
            case 0x78:
                line = self.line
                self.line = self.hold
                self.hold = line
            case _:
                pass
        return U64(NEXT)

    def first_line(self) -> Slice[U8]:
        """The pattern space up to its first newline."""
        content = self.line.content()
        for i in U64.range(content.length):
            if content[i] == NEWLINE:
                return content[0:i]
        return content

    def write_line(self, content: Slice[U8]) -> None:
        """Write bytes and a newline."""
        self.emit(content)
        write_text(self.out, "\n")

    def delete_first(self) -> U64:
        """D: delete the first line, and go on with the others if there are some."""
        first = self.first_line().length
        if first == self.line.length:
            return U64(DELETED)
        rest = Text.from_bytes(self.line.content()[first + 1 : self.line.length])
        self.line.clear()
        self.line.write(rest.content)
        return U64(RESTART)

    def following(self) -> U64:
        """n: print, and go on with the next line; without one the end."""
        if self.input.is_last():
            return U64(QUIT)
        if not self.quiet:
            self.print()
        self.flush()
        self.line.clear()
        self.input.next(self.line)
        self.number += 1
        return U64(NEXT)

    def append_following(self) -> U64:
        """N: add the next line; without one the end."""
        if self.input.is_last():
            return U64(QUIT)
        self.flush()
        self.line.append(U8(NEWLINE))
        self.input.next(self.line)
        self.number += 1
        return U64(NEXT)

    def translate(self, command: Command) -> None:
        """y: other bytes for some."""
        for i in U64.range(self.line.length):
            for j in U64.range(command.text.length):
                if self.line[i] == command.text[j]:
                    self.line[i] = command.other[j]
                    break

    def show_escaped(self) -> None:
        """l: the pattern space with escapes, in lines that are not too long."""
        shown = ByteBuffer()
        column = U64(0)
        for byte in self.line.content():
            piece = escaped(byte)
            if column + piece.length > WIDTH:
                write_text(shown, "\\\n")
                column = U64(0)
            shown.write(piece.content)
            column += piece.length
        write_text(shown, "$\n")
        self.emit(shown.content())

    def write_file(self, name: Text) -> None:
        """w: the pattern space into a file, which is made when the first line goes there or at the start."""
        if name.equals("/dev/stdout"):
            self.write_line(self.line.content())
            return
        try:
            writer = self.files[name]
            writer.write(self.line.content())
            write_text(writer, "\n")
        except KeyMissing:
            pass

    def open_files(self) -> bool:
        """Make the files that are written; whether that went well."""
        for command in self.commands:
            name = command.text
            writes = command.letter == 0x77 or command.letter == 0x73
            if not writes or name.length == 0 or name.equals("/dev/stdout") or name in self.files:
                continue
            try:
                self.files[name] = FileWriter(create_file(name))
            except Error:
                print_error(f"sed: couldn't open file {name}: {reason(error_code())}")
                return False
        return True

    # s.

    def substitute(self, command: Command) -> None:
        """Replace matches."""
        regex = self.used(command.regex)
        if regex is None:
            return
        line = self.line.content()
        result = ByteBuffer()
        at, before, count = U64(0), U64(0), U64(0)
        changed = False
        while at <= line.length and regex.search(line, at):
            start, stop = regex.start, regex.end
            if start == stop and count > 0 and start == before:
                # Nothing, directly behind a match, is none.
                if at < line.length:
                    result.append(line[at])
                at += 1
                continue
            count += 1
            result.write(line[at:start])
            chosen = count >= command.occurrence
            if chosen:
                self.replace(command, regex, line, result)
                changed = True
            else:
                result.write(line[start:stop])
            at, before = stop, stop
            if start == stop:
                if at < line.length:
                    result.append(line[at])
                at += 1
            if chosen and not command.every:
                break
        if not changed:
            return
        result.write(line[min(at, line.length) : line.length])
        self.line = result
        self.replaced = True
        if command.prints:
            self.print()
        if command.text.length > 0:
            self.write_file(command.text)

    def replace(self, command: Command, regex: Regex, line: Slice[U8], into: ByteBuffer) -> None:
        """Append the replacement of the match that was found."""
        start, stop = regex.start, regex.end
        found = False
        for piece in command.pieces:
            if piece.kind == LITERAL:
                into.write(piece.text.content)
            elif piece.kind == 0:
                into.write(line[start:stop])
            else:
                if not found:
                    regex.find_groups(line)
                    found = True
                group = regex.group(piece.kind)
                if group is not None:
                    first, last = group
                    into.write(line[first:last])


def escaped(byte: U8) -> Text:
    """A byte as l writes it."""
    match byte:
        case 0x5C:
            return Text("\\\\")
        case 0x07:
            return Text("\\a")
        case 0x08:
            return Text("\\b")
        case 0x0C:
            return Text("\\f")
        case 0x0A:
            return Text("\\n")
        case 0x0D:
            return Text("\\r")
        case 0x09:
            return Text("\\t")
        case 0x0B:
            return Text("\\v")
        case _:
            return Text(f"{byte:c}") if 0x20 <= byte < 0x7F else Text(f"\\{byte:03o}")


def machine(commands: List[Command], source: Input, out: Sink, quiet: bool) -> Machine:
    """Ready to run."""
    line, hold = ByteBuffer(), ByteBuffer()
    files = Map[Text, FileWriter]()
    return Machine(
        commands, source, out, quiet, line, hold, U64(0), List[Text](), List[Text](), None, False, files, U8(0), False
    )
