"""grep: lines that match patterns."""

from __future__ import annotations

from cloudos.apps.byte_classes import is_word
from cloudos.apps.inputs import open_input, reason
from cloudos.apps.options import Options, Usage, parse
from cloudos.apps.regex import EXTENDED, IGNORE_CASE, Regex, compile_pattern
from cloudos.apps.regex_errors import BadPattern, problem
from cloudos.lang import U8, U64, Error, Slice, error_code, managed, write_text
from cloudos.sdk import List, Text, lines, print_error, stdout
from cloudos.sdk.collections.slices import find_bytes
from cloudos.sdk.filesystem import is_directory, list_directory

KNOWN = "EFGcilLnqsvxwe:f:rRohHm:a"
NEVER = 0xFFFF_FFFF_FFFF_FFFF


@managed
class Matcher:
    """Several patterns at once: a line matches when one of them does."""

    fixed: List[Text]
    patterns: List[Regex]
    ignore_case: bool
    whole_words: bool
    whole_lines: bool
    start: U64  # of the match that `find` found
    end: U64

    def find(self, line: Slice[U8], begin: U64) -> bool:
        """The leftmost and of those the longest match from `begin` on that is what `-w` and `-x` want."""
        found = False
        for text in self.fixed:
            found = self.find_fixed(text.content, line, begin, found)
        for pattern in self.patterns:
            found = self.find_pattern(pattern, line, begin, found)
        return found

    def selects(self, line: Slice[U8]) -> bool:
        """Whether a line has a match."""
        if self.whole_lines or self.whole_words or self.fixed.length > 0:
            return self.find(line, U64(0))
        for pattern in self.patterns:
            if pattern.matches(line):
                return True
        return False

    def fits(self, line: Slice[U8], start: U64, end: U64) -> bool:
        """Whether a match is a whole line or word, if it has to be."""
        if self.whole_lines:
            return start == 0 and end == line.length
        if not self.whole_words:
            return True
        if start > 0 and is_word(line[start - 1]):
            return False
        return end == line.length or not is_word(line[end])

    def better(self, start: U64, end: U64, found: bool) -> bool:
        """Note a match if it comes before what was found, or is longer."""
        if not found or start < self.start or (start == self.start and end > self.end):
            self.start = start
            self.end = end
        return True

    def find_fixed(self, text: Slice[U8], line: Slice[U8], begin: U64, found: bool) -> bool:
        at = begin
        while True:
            place = find_bytes(line, text, at)
            if place is None:
                return found
            if self.fits(line, place, place + text.length):
                return self.better(place, place + text.length, found)
            at = place + 1

    def find_pattern(self, pattern: Regex, line: Slice[U8], begin: U64, found: bool) -> bool:
        at = begin
        while at <= line.length:
            if not pattern.search(line, at):
                return found
            start = pattern.start
            end = pattern.end
            # As GNU's grep: when the longest match does not fit, shorter ones at the same place are tried.
            while not self.fits(line, start, end) and end > start:
                shorter = pattern.search(line[0 : end - 1], start) and pattern.start == start
                if not shorter:
                    break
                end = pattern.end
            if self.fits(line, start, end):
                return self.better(start, end, found)
            at = start + 1
        return found


@managed
class Search:
    """What the options ask for, and what has come of it so far."""

    matcher: Matcher
    options: Options
    inverted: bool
    only_matches: bool
    numbers: bool
    names: bool
    counts: bool
    listing: bool
    quiet: bool
    limit: U64
    selected: bool  # whether any line was
    failed: bool

    def say(self, path: Text, message: Text) -> None:
        """Complain, unless `-s` was given."""
        self.failed = True
        if not self.options.has("s"):
            print_error(f"grep: {path}: {message}")

    def place(self, path: Text) -> None:
        """Search what an operand names: a file, or with `-r` all files in a directory."""
        if not path.equals("-") and is_directory(path):
            if self.options.has("rR"):
                self.directory(path)
            else:
                self.say(path, Text("Is a directory"))
                self.failed = True
            return
        self.file(path)

    def directory(self, path: Text) -> None:
        try:
            names = list_directory(path)
        except Error:
            self.say(path, reason(error_code()))
            return
        for name in names:
            self.place(Text(f"{path}{name}") if path.ends_with("/") else Text(f"{path}/{name}"))

    def file(self, path: Text) -> None:
        """Search one file."""
        name = Text("(standard input)") if path.equals("-") else path
        count = U64(0)
        number = U64(0)
        matcher = self.matcher
        try:
            for line in lines(open_input(path)):
                if count >= self.limit:
                    break
                number += 1
                content = line_content(line, matcher.ignore_case and matcher.fixed.length > 0)
                if matcher.selects(content.content) == self.inverted:
                    continue
                count += 1
                self.selected = True
                if self.quiet or self.listing:
                    break
                if not self.counts:
                    self.show(name, number, line, content)
        except Error:
            self.say(path, reason(error_code()))
            if number == 0:
                return
        if self.quiet:
            return
        if self.counts and not self.listing:
            self.prefix(name)
            write_text(stdout, f"{count}\n")
        if self.listing and (count > 0) != self.options.has("L"):
            write_text(stdout, f"{name}\n")

    def prefix(self, name: Text) -> None:
        if self.names:
            write_text(stdout, f"{name}:")

    def show(self, name: Text, number: U64, line: Text, content: Text) -> None:
        """Write a selected line, or its matching parts."""
        if not self.only_matches:
            self.prefix(name)
            if self.numbers:
                write_text(stdout, f"{number}:")
            write_text(stdout, f"{line}\n")
            return
        if self.inverted:
            return
        at = U64(0)
        while at <= line.length and self.matcher.find(content.content, at):
            start = self.matcher.start
            end = self.matcher.end
            if end > start:
                self.prefix(name)
                if self.numbers:
                    write_text(stdout, f"{number}:")
                stdout.write(line.content[start:end])
                write_text(stdout, "\n")
            at = end if end > start else end + 1


def line_content(line: Text, folded: bool) -> Text:
    """The line as fixed patterns are compared with it."""
    return line.lower() if folded else line


def pattern_texts(options: Options) -> List[Text]:
    """The patterns of `-e`, `-f` and, without those, of the first operand, one of each line; raises Usage."""
    result = List[Text]()
    for text in options.all_values("e"):
        result.extend(text.split("\n"))
    for path in options.all_values("f"):
        try:
            for line in lines(open_input(path)):
                result.append(line)
        except Error:
            print_error(f"grep: {path}: {reason(error_code())}")
            raise Usage from None
    if not options.has("ef"):
        if options.operands.length == 0:
            print_error("usage: grep [OPTION]... PATTERNS [FILE]...")
            raise Usage
        result.extend(options.operands.remove_at(U64(0)).split("\n"))
    return result


def make_matcher(options: Options) -> Matcher:
    """Compile the patterns; raises Usage when one is wrong."""
    ignore_case = options.has("i")
    matcher = Matcher(List[Text](), List[Regex](), ignore_case, options.has("w"), options.has("x"), U64(0), U64(0))
    flags = U64(0)
    fixed = options.wins("F", "EFG")
    if options.wins("E", "EFG"):
        flags = U64(EXTENDED)
    if ignore_case:
        flags = flags | IGNORE_CASE
    for text in pattern_texts(options):
        if fixed:
            matcher.fixed.append(line_content(text, ignore_case))
            continue
        try:
            matcher.patterns.append(compile_pattern(text, flags))
        except BadPattern:
            print_error(f"grep: {problem(error_code())}")
            raise Usage from None
    return matcher


def limit_of(options: Options) -> U64:
    """The number of `-m`; raises Usage."""
    text = options.value("m")
    if text is None:
        return U64(NEVER)
    try:
        value = text.to_integer()
        return U64(NEVER) if value < 0 else U64(value)
    except Error:
        print_error("grep: invalid max count")
        raise Usage from None


def make_search(arguments: List[Text]) -> Search:
    """Read the command line; raises Usage."""
    options = parse(arguments, KNOWN)
    matcher = make_matcher(options)
    recursive = options.has("rR")
    if options.operands.length == 0:
        options.operands.append(Text(".") if recursive else Text("-"))
    names = options.operands.length > 1 or recursive
    if options.has("hH"):
        names = options.wins("H", "hH")
    return Search(
        matcher,
        options,
        options.has("v"),
        options.has("o"),
        options.has("n"),
        names,
        options.has("c"),
        options.has("lL"),
        options.has("q"),
        limit_of(options),
        False,
        False,
    )


def grep(arguments: List[Text]) -> U8:
    """Write lines that match. 0: there are some; 1: there are none; 2: something went wrong."""
    try:
        search = make_search(arguments)
    except Usage:
        return U8(2)
    for path in search.options.operands:
        search.place(path)
        if search.quiet and search.selected:
            return U8(0)
    if search.failed:
        return U8(2)
    return U8(0) if search.selected else U8(1)
