"""Numbers, texts and commands as bytes, and back: for the state that goes to a shell of its own process."""

from __future__ import annotations

from cloudos.apps.shell.tree import (
    Assignment,
    CaseItem,
    Direction,
    Node,
    NodeKind,
    Part,
    PartKind,
    Redirection,
    Word,
)
from cloudos.lang import U8, U64, managed
from cloudos.sdk import ByteBuffer, List, Text


@managed
class Packer:
    """Makes bytes."""

    out: ByteBuffer

    def number(self, value: U64) -> None:
        """Seven bits in each byte, the lowest first; the highest bit says that more follow."""
        rest = value
        while rest >= 0x80:
            self.out.append(U8.truncate(rest) | 0x80)
            rest = rest >> 7
        self.out.append(U8(rest))

    def flag(self, value: bool) -> None:
        """A truth value."""
        self.out.append(U8(1) if value else U8(0))

    def text(self, value: Text) -> None:
        """A text with its length."""
        self.number(value.length)
        self.out.write(value.content)

    def word(self, word: Word) -> None:
        """A word before expansion."""
        self.number(word.parts.length)
        for part in word.parts:
            self.out.append(U8(part.kind))
            self.text(part.text)
            self.flag(part.quoted)
            self.number(part.operator)
            self.flag(part.strong)
            inner, body = part.word, part.body
            self.flag(inner is not None)
            if inner is not None:
                self.word(inner)
            self.flag(body is not None)
            if body is not None:
                self.node(body)

    def words(self, words: List[Word]) -> None:
        """Several words."""
        self.number(words.length)
        for word in words:
            self.word(word)

    def node(self, node: Node) -> None:
        """A command with all that it contains."""
        self.out.append(U8(node.kind))
        self.number(node.line)
        self.number(node.children.length)
        for child in node.children:
            self.node(child)
        self.words(node.words)
        self.number(node.assignments.length)
        for assignment in node.assignments:
            self.text(assignment.name)
            self.word(assignment.value)
        self.number(node.redirections.length)
        for one in node.redirections:
            self.number(one.descriptor)
            self.out.append(U8(one.direction))
            self.word(one.target)
        self.number(node.cases.length)
        for item in node.cases:
            self.words(item.patterns)
            self.node(item.body)
        self.text(node.name)
        self.flag(node.flag)


@managed
class Unpacker:
    """Reads what a Packer made. What a Packer did not make is a panic."""

    content: ByteBuffer
    position: U64

    def byte(self) -> U8:
        """The next byte."""
        self.position += 1
        return self.content[self.position - 1]

    def number(self) -> U64:
        """See `Packer`."""
        value, shift = U64(0), U64(0)
        while True:
            byte = self.byte()
            value = value | U64(byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def flag(self) -> bool:
        """See `Packer`."""
        return self.byte() != 0

    def text(self) -> Text:
        """See `Packer`."""
        length = self.number()
        self.position += length
        return Text.from_bytes(self.content.content()[self.position - length : self.position])

    def word(self) -> Word:
        """See `Packer`."""
        result = Word()
        for _ in U64.range(self.number()):
            part = Part(PartKind(self.byte()), self.text(), self.flag(), self.number(), self.flag(), None, None)
            if self.flag():
                part.word = self.word()
            if self.flag():
                part.body = self.node()
            result.parts.append(part)
        return result

    def words(self, into: List[Word]) -> None:
        """See `Packer`."""
        for _ in U64.range(self.number()):
            into.append(self.word())

    def node(self) -> Node:
        """See `Packer`."""
        kind = NodeKind(self.byte())
        node = Node(kind, self.number())
        for _ in U64.range(self.number()):
            node.children.append(self.node())
        self.words(node.words)
        for _ in U64.range(self.number()):
            name = self.text()
            node.assignments.append(Assignment(name, self.word()))
        for _ in U64.range(self.number()):
            descriptor = self.number()
            direction = Direction(self.byte())
            node.redirections.append(Redirection(descriptor, direction, self.word(), Text(""), False, False))
        for _ in U64.range(self.number()):
            patterns = List[Word]()
            self.words(patterns)
            node.cases.append(CaseItem(patterns, self.node()))
        node.name = self.text()
        node.flag = self.flag()
        return node
