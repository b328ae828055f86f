"""Regular expressions of POSIX: which part of a line one matches, the leftmost and of those the longest.

    number = compile_pattern(Text("[0-9]+"), U64(EXTENDED))
    if number.search(line.content, U64(0)):
        print(f"{number.start} {number.end}")

A pattern without back references is simulated as a nondeterministic automaton, all ways at once: the time is at most
the length of the line times that of the pattern. Back references need trying one way after the other.
What groups matched is told by `group` after `find_groups`: a group that could match several parts takes the longest
it can, from the left.
"""

from __future__ import annotations

from cloudos.apps.byte_classes import lower
from cloudos.apps.regex_program import (
    ACCEPT,
    ASSERT,
    BACK,
    CHECK,
    JUMP,
    MARK,
    SAVE,
    SPLIT,
    Emitter,
    Program,
    holds,
)
from cloudos.apps.regex_syntax import Parser
from cloudos.lang import U8, U64, Slice, free_slice, managed, new_slice
from cloudos.sdk import List, Text

EXTENDED = 1
IGNORE_CASE = 2
UNSET = 0xFFFF_FFFF_FFFF_FFFF  # where a group begins that matched nothing


@managed
class Threads:
    """The states an automaton is in, in order of where their matches begin."""

    places: Slice[U64]  # of the program
    starts: Slice[U64]  # where the match of that state begins
    count: U64
    seen: Slice[U64]  # by place: the round in which it was added last
    round: U64
    stack: Slice[U64]

    def __init__(self, size: U64) -> None:
        self.places = new_slice(U64, size)
        self.starts = new_slice(U64, size)
        self.count = U64(0)
        self.seen = new_slice(U64, size)
        self.round = U64(0)
        self.stack = new_slice(U64, size * 2 + 2)

    def drop(self) -> None:
        free_slice(self.places)
        free_slice(self.starts)
        free_slice(self.seen)
        free_slice(self.stack)

    def clear(self) -> None:
        self.count = U64(0)
        self.round += 1


@managed
class Regex:
    """A compiled pattern, and what it matched last."""

    program: Program
    start: U64  # of the last match
    end: U64
    current: Threads
    following: Threads
    slots: List[U64]  # where groups begin and end, then the marks of loops

    def __init__(self, program: Program) -> None:
        self.program = program
        self.start = U64(0)
        self.end = U64(0)
        self.current = Threads(program.length)
        self.following = Threads(program.length)
        self.slots = List[U64]()
        for _ in U64.range(program.slots):
            self.slots.append(U64(UNSET))

    def matches(self, line: Slice[U8]) -> bool:
        """Whether any part of the line matches."""
        if self.program.has_back_references:
            return self.search(line, U64(0))
        return self.simulate(line, U64(0), True)

    def search(self, line: Slice[U8], begin: U64) -> bool:
        """Find the first and longest match from `begin` on, as `start` and `end`. What is before counts as context."""
        if not self.program.has_back_references:
            return self.simulate(line, begin, False)
        for start in U64.range(begin, line.length + 1):
            end = self.backtrack(line, start, U64(UNSET))
            if end is not None:
                self.start = start
                self.end = end
                return True
        return False

    def simulate(self, line: Slice[U8], begin: U64, any_match: bool) -> bool:
        """Run the automaton; with `any_match` up to the first sign of a match."""
        found = False
        self.current.clear()
        at = begin
        while True:
            if not found:
                if self.current.count == 0:
                    at = self.skip(line, at)
                found = self.follow(self.current, U64(0), line, at, at, found)
            if found and (any_match or self.current.count == 0):
                return True
            if at >= line.length:
                return found
            self.following.clear()
            byte = line[at]
            threads = self.current
            for i in U64.range(threads.count):
                start = threads.starts[i]
                if found and start > self.start:
                    break
                if self.program.takes(threads.places[i], byte):
                    found = self.follow(self.following, threads.places[i] + 1, line, at + 1, start, found)
            self.current = self.following
            self.following = threads
            at += 1

    def skip(self, line: Slice[U8], begin: U64) -> U64:
        """The first position at which a match could begin."""
        at = begin
        if self.program.starts_anywhere:
            return at
        while at < line.length and not self.program.can_start(line[at]):
            at += 1
        return at

    def follow(self, threads: Threads, place: U64, line: Slice[U8], at: U64, start: U64, found: bool) -> bool:
        """Add a state and those reached from it without taking a byte; whether there is a match by now."""
        program = self.program
        stack = threads.stack
        stack[0] = place
        used = U64(1)
        result = found
        while used > 0:
            used -= 1
            place = stack[used]
            if threads.seen[place] == threads.round:
                continue
            threads.seen[place] = threads.round
            kind = program.kinds[place]
            if kind == JUMP:
                stack[used] = program.x[place]
                used += 1
            elif kind == SPLIT:
                stack[used] = program.y[place]
                stack[used + 1] = program.x[place]
                used += 2
            elif kind == SAVE or kind == MARK or kind == CHECK:
                stack[used] = place + 1
                used += 1
            elif kind == ASSERT:
                if holds(program.x[place], line, at):
                    stack[used] = place + 1
                    used += 1
            elif kind == ACCEPT:
                if not result or start < self.start or (start == self.start and at > self.end):
                    self.start = start
                    self.end = at
                result = True
            else:
                threads.places[threads.count] = place
                threads.starts[threads.count] = start
                threads.count += 1
        return result

    def find_groups(self, line: Slice[U8]) -> None:
        """Find what the groups of the last match are. `search` must have found it in the same line."""
        self.backtrack(line, self.start, self.end)

    def group(self, number: U64) -> tuple[U64, U64] | None:
        """Where a group of the last match is, from `find_groups`; None when it took no part."""
        begin = self.slots[number * 2]
        end = self.slots[number * 2 + 1]
        if begin == UNSET or end == UNSET:
            return None
        return begin, end

    def backtrack(self, line: Slice[U8], start: U64, wanted: U64) -> U64 | None:
        """Try one way after the other from `start`: to end at `wanted`, or with UNSET late. Fills `slots`."""
        attempt = Attempt(self.program, line, start, wanted)
        end = attempt.run()
        if end is not None:
            self.slots = attempt.best
            self.slots[0] = start
            self.slots[1] = end
        return end


@managed
class Attempt:
    """One search by trying. What is still to be tried is on a stack: places, and values of slots to go back to."""

    program: Program
    line: Slice[U8]
    start: U64
    wanted: U64  # where the match has to end, or UNSET
    slots: List[U64]
    best: List[U64]
    stack: List[U64]  # three numbers each: place, position, 0; or slot, value, 1
    tried: Slice[U8]  # by place and position, where there are no back references

    def __init__(self, program: Program, line: Slice[U8], start: U64, wanted: U64) -> None:
        self.program = program
        self.line = line
        self.start = start
        self.wanted = wanted
        self.slots = List[U64]()
        for _ in U64.range(program.slots):
            self.slots.append(U64(UNSET))
        self.best = self.slots
        self.stack = List[U64]()
        end = line.length if wanted == UNSET else wanted
        size = U64(0) if program.has_back_references else program.length * (end - start + 1)
        self.tried = new_slice(U8, size)

    def drop(self) -> None:
        free_slice(self.tried)

    def push(self, a: U64, b: U64, kind: U64) -> None:
        self.stack.append(a)
        self.stack.append(b)
        self.stack.append(kind)

    def run(self) -> U64 | None:
        """Where the match ends; None when there is none."""
        best: U64 | None = None
        self.push(U64(0), self.start, U64(0))
        while self.stack.length > 0:
            kind = self.stack.pop()
            b = self.stack.pop()
            a = self.stack.pop()
            if kind == 1:
                self.slots[a] = b
                continue
            end = self.walk(a, b)
            if end is None:
                continue
            if best is None or end > best:
                best = end
                self.best = self.slots.slice(U64(0), self.slots.length)
            if self.wanted != UNSET or end == self.line.length:
                break
        return best

    def walk(self, first: U64, begin: U64) -> U64 | None:
        """Go on from a place until a match or a dead end; where the match ends."""
        program = self.program
        place = first
        at = begin
        limit = self.wanted
        while True:
            if self.is_tried(place, at):
                return None
            kind = program.kinds[place]
            if kind == ACCEPT:
                return at if limit == UNSET or at == limit else None
            if kind == JUMP:
                place = program.x[place]
                continue
            if kind == SPLIT:
                self.push(program.y[place], at, U64(0))
                place = program.x[place]
                continue
            if kind == SAVE or kind == MARK:
                slot = program.x[place]
                self.push(slot, self.slots[slot], U64(1))
                self.slots[slot] = at
            elif kind == CHECK:
                if program.has_back_references and self.slots[program.x[place]] == at:
                    return None
            elif kind == ASSERT:
                if not holds(program.x[place], self.line, at):
                    return None
            elif kind == BACK:
                length = self.repeated(program.x[place], at)
                if length is None:
                    return None
                at += length
            else:
                if at == self.line.length or at == limit:
                    return None
                if not program.takes(place, self.line[at]):
                    return None
                at += 1
            place += 1

    def is_tried(self, place: U64, at: U64) -> bool:
        """Whether this was tried before; then there is no use in doing it again."""
        if self.tried.length == 0:
            return False
        index = (at - self.start) * self.program.length + place
        if self.tried[index] != 0:
            return True
        self.tried[index] = U8(1)
        return False

    def repeated(self, number: U64, at: U64) -> U64 | None:
        """The length of what a group matched, when it is here again."""
        begin = self.slots[number * 2]
        end = self.slots[number * 2 + 1]
        if begin == UNSET or end == UNSET or end - begin > self.line.length - at:
            return None
        for i in U64.range(end - begin):
            left = self.line[begin + i]
            right = self.line[at + i]
            if left != right and not (self.program.ignore_case and lower(left) == lower(right)):
                return None
        return end - begin


def compile_pattern(pattern: Text, flags: U64) -> Regex:
    """Make a regular expression ready for matching. `flags`: EXTENDED, IGNORE_CASE.

    Raises errors of `cloudos.apps.regex_errors`, all of them BadPattern.
    """
    parser = Parser(pattern, flags & EXTENDED != 0)
    root = parser.whole()
    emitter = Emitter(parser.tree, flags & IGNORE_CASE != 0)
    return Regex(emitter.finish(root))
