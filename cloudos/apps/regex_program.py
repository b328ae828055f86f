"""The steps that a regular expression is compiled to, and what each step says about a byte or a position."""

from __future__ import annotations

from cloudos.apps import regex_syntax as syntax
from cloudos.apps.byte_classes import is_letter, is_word, lower, upper
from cloudos.apps.regex_errors import PatternTooLarge
from cloudos.apps.regex_syntax import Tree
from cloudos.lang import U8, U64, Slice, managed
from cloudos.sdk import List

# Steps, with what x and y are.
BYTE = 0  # x: the byte
ANY = 1
SET = 2  # x: number of the set
SPLIT = 3  # x, y: places to go on at, the preferred first
JUMP = 4  # x: place
SAVE = 5  # x: slot that receives the position
ASSERT = 6  # x: which
BACK = 7  # x: number of the group
MARK = 8  # x: slot; a round of a loop begins
CHECK = 9  # x: slot; a round must have taken something
ACCEPT = 10

LARGEST = 60_000  # steps


@managed
class Program:
    """The steps of one pattern."""

    kinds: List[U64]
    x: List[U64]
    y: List[U64]
    sets: List[U64]
    first: List[U64]  # the set of bytes that matches begin with
    starts_anywhere: bool  # matches may be empty, so `first` says nothing
    slots: U64
    groups: U64
    has_back_references: bool
    ignore_case: bool

    def __init__(self, tree: Tree, ignore_case: bool) -> None:
        self.kinds = List[U64]()
        self.x = List[U64]()
        self.y = List[U64]()
        self.sets = tree.sets
        self.first = List[U64]()
        for _ in U64.range(4):
            self.first.append(U64(0))
        self.starts_anywhere = False
        self.slots = tree.groups * 2 + 2
        self.groups = tree.groups
        self.has_back_references = tree.has_back_references
        self.ignore_case = ignore_case

    @property
    def length(self) -> U64:
        """How many steps."""
        return self.kinds.length

    def takes(self, place: U64, byte: U8) -> bool:
        """Whether the step at this place takes a byte."""
        kind = self.kinds[place]
        if kind == BYTE:
            return U64(byte) == self.x[place]
        if kind == SET:
            return self.sets[self.x[place] * 4 + U64(byte >> 6)] >> U64(byte & 63) & 1 != 0
        return kind == ANY

    def can_start(self, byte: U8) -> bool:
        """Whether a match may begin with a byte, if no match is empty."""
        return self.first[U64(byte >> 6)] >> U64(byte & 63) & 1 != 0

    def find_first(self) -> None:
        """Work out `first` and `starts_anywhere`: where the first steps lead without taking a byte."""
        seen = List[U64]()
        for _ in U64.range(self.length):
            seen.append(U64(0))
        waiting = List[U64]()
        waiting.append(U64(0))
        while waiting.length > 0:
            place = waiting.pop()
            if seen[place] != 0:
                continue
            seen[place] = U64(1)
            kind = self.kinds[place]
            if kind == ACCEPT or kind == BACK:
                self.starts_anywhere = True
            elif kind == SPLIT:
                waiting.append(self.x[place])
                waiting.append(self.y[place])
            elif kind == JUMP:
                waiting.append(self.x[place])
            elif kind == BYTE or kind == ANY or kind == SET:
                self.add_first(place)
            else:
                waiting.append(place + 1)

    def add_first(self, place: U64) -> None:
        for byte in U64.range(256):
            if self.takes(place, U8(byte)):
                word = byte >> 6
                self.first[word] = self.first[word] | U64(1) << (byte & 63)


@managed
class Emitter:
    """Makes the program from a tree."""

    tree: Tree
    program: Program
    ignore_case: bool

    def __init__(self, tree: Tree, ignore_case: bool) -> None:
        self.tree = tree
        self.program = Program(tree, ignore_case)
        self.ignore_case = ignore_case

    def finish(self, root: U64) -> Program:
        """The program of the pattern whose node this is."""
        if self.ignore_case:
            self.fold_sets()
        self.node(root)
        self.step(U64(ACCEPT), U64(0))
        self.program.find_first()
        return self.program

    def step(self, kind: U64, x: U64) -> U64:
        """One more step; its place."""
        program = self.program
        if program.length >= LARGEST:
            raise PatternTooLarge
        program.kinds.append(kind)
        program.x.append(x)
        program.y.append(U64(0))
        return program.length - 1

    def split(self) -> U64:
        """A split that goes on behind itself first; where else, is set later."""
        place = self.step(U64(SPLIT), U64(0))
        self.program.x[place] = place + 1
        return place

    def fold_sets(self) -> None:
        """Put the other case of every letter into the sets."""
        sets = self.tree.sets
        for base in U64.range(0, sets.length, 4):
            for byte in U64.range(256):
                if is_letter(U8(byte)) and sets[base + (byte >> 6)] >> (byte & 63) & 1 != 0:
                    other = U64(upper(U8(byte)) if U64(lower(U8(byte))) == byte else lower(U8(byte)))
                    sets[base + (other >> 6)] = sets[base + (other >> 6)] | U64(1) << (other & 63)

    def node(self, number: U64) -> None:
        """The steps of one node."""
        tree = self.tree
        kind = tree.kinds[number]
        a = tree.a[number]
        if kind == syntax.BYTE:
            self.byte(U8(a))
        elif kind == syntax.ANY:
            self.step(U64(ANY), U64(0))
        elif kind == syntax.SET:
            self.step(U64(SET), a)
        elif kind == syntax.JOIN:
            self.join(number)
        elif kind == syntax.CHOICE:
            split = self.split()
            self.node(a)
            jump = self.step(U64(JUMP), U64(0))
            self.program.y[split] = self.program.length
            self.node(tree.b[number])
            self.program.x[jump] = self.program.length
        elif kind == syntax.REPEAT:
            self.repeat(a, tree.b[number], tree.c[number])
        elif kind == syntax.GROUP:
            self.step(U64(SAVE), tree.b[number] * 2)
            self.node(a)
            self.step(U64(SAVE), tree.b[number] * 2 + 1)
        elif kind == syntax.ASSERT:
            self.step(U64(ASSERT), a)
        elif kind == syntax.BACK:
            self.step(U64(BACK), a)

    def join(self, number: U64) -> None:
        """A chain of nodes, each of which holds all before it: walked down first, so as not to nest as deep."""
        parts = List[U64]()
        at = number
        while self.tree.kinds[at] == syntax.JOIN:
            parts.append(self.tree.b[at])
            at = self.tree.a[at]
        self.node(at)
        while parts.length > 0:
            self.node(parts.pop())

    def byte(self, byte: U8) -> None:
        if not self.ignore_case or not is_letter(byte):
            self.step(U64(BYTE), U64(byte))
            return
        split = self.split()
        self.step(U64(BYTE), U64(lower(byte)))
        jump = self.step(U64(JUMP), U64(0))
        self.program.y[split] = self.program.length
        self.step(U64(BYTE), U64(upper(byte)))
        self.program.x[jump] = self.program.length

    def repeat(self, inner: U64, low: U64, high: U64) -> None:
        """A node so often: as often as it must be there, then either a loop or as many optional ones."""
        for _ in U64.range(low):
            self.node(inner)
        if high == syntax.MANY:
            split = self.split()
            slot = self.program.slots
            self.program.slots += 1
            self.step(U64(MARK), slot)
            self.node(inner)
            self.step(U64(CHECK), slot)
            self.step(U64(JUMP), split)
            self.program.y[split] = self.program.length
            return
        splits = List[U64]()
        for _ in U64.range(low, high):
            splits.append(self.split())
            self.node(inner)
        for split in splits:
            self.program.y[split] = self.program.length


def holds(which: U64, line: Slice[U8], at: U64) -> bool:
    """Whether an assertion is true at a position."""
    if which == syntax.AT_START:
        return at == 0
    if which == syntax.AT_END:
        return at == line.length
    before = at > 0 and is_word(line[at - 1])
    after = at < line.length and is_word(line[at])
    if which == syntax.AT_BOUNDARY:
        return before != after
    if which == syntax.INSIDE:
        return before == after
    if which == syntax.AT_WORD_START:
        return after and not before
    return before and not after
