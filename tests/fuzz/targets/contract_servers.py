"""Server loops and the services behind them: any messages, in any order, from anybody.

Each message must be answered, kept, or forgotten if it asks for no answer; the answer is a success or an error that the
operation declares; handles that came with a refused message are closed; and nothing panics.
"""

from __future__ import annotations

from typing import Any

from cloudos.abi import tags
from cloudos.contracts.errors import BadMessage, BadOperation
from cloudos.lang import U32, U64
from cloudos.sdk import local_calls, transport
from cloudos.sdk.contract import CONTRACTS, Operation, declaration, is_optional, is_struct
from cloudos.sdk.ipc import Message
from tests.fuzz.services import SERVICE, SERVICES, Serving, literal
from tests.fuzz.target import Feed

MOST_MESSAGES = 60
SENT = (51, 52, 53, 54)
WORDS = (0, 1, 2, 3, 7, 16, 99, 255, 256, 4031, 4032, 4033, 65535, 1 << 31, 1 << 32, 1 << 62, (1 << 63) - 1, 1 << 63,
         (1 << 64) - 1, (1 << 64) - 4096, 0o100, 0o777, 4096, 1 << 20, 64)  # fmt: skip
TEXTS = (
    b"/", b"/tmp", b"/tmp/a", b"/tmp/b", b"/tmp/a/b", b"/etc/motd", b"/dev/null", b"/dev/zero", b"/bin/tool", b"a",
    b".", b"..", b"/tmp/..", b"//", b"shell", b"/dev", b"/image", b"", b"/tmp/" + b"x" * 255, b"\xff\0",
)  # fmt: skip
OPERATIONS = {
    number << 16 | operation.number: operation
    for number, one in CONTRACTS.items()
    for operation in declaration(one).operations
}


def labels_of(objects: tuple[Any, ...], number: int) -> list[int]:
    """The labels of a service's operations."""
    names = {
        "files": ("Files", "Stream"), "pipes": ("Pipes", "Stream"), "names": ("Names",), "log": ("Log",),
        "audit": ("Audit",), "policy": ("Policies",), "console": ("Console", "Stream"), "entropy": ("Entropy",),
        "sample": ("Sample",), "loader": ("Programs", "Program"),
    }[SERVICES[number % len(SERVICES)].__name__]  # fmt: skip
    wanted = {key for key, one in CONTRACTS.items() if one.__name__ in names}
    return sorted(label for label in OPERATIONS if label >> 16 in wanted)


class Sender:
    """Makes messages from an input."""

    def __init__(self, feed: Feed, labels: list[int]) -> None:
        self.feed = feed
        self.labels = labels

    def word(self) -> int:
        """A number."""
        form = self.feed.number()
        return WORDS[form % len(WORDS)] if form < 160 else form - 160 if form < 240 else self.feed.number(8)

    def content(self) -> bytes:
        """Bytes: a text that services know, or any."""
        form = self.feed.number()
        if form < 128:
            return TEXTS[form % len(TEXTS)]
        return self.feed.take(form & 31) if form < 250 else bytes(4032)

    def message(self) -> tuple[int, list[int], bytes, int]:
        """Label, words, bytes and how many handles; most are as a client would make them."""
        form = self.feed.number()
        if form >= 240:
            words = [self.word() for _ in range(8)]
            return self.feed.number(4), words, self.content(), form & 7 if form & 7 < 5 else 0
        label = int(self.feed.choose(self.labels))
        words, content, handles = self.fitting(OPERATIONS[label])
        if form >= 224:
            words[form & 7] = self.word()
        elif form >= 216:
            handles = form & 3
        elif form >= 208:
            content = (content + b"x")[: tags.MAXIMUM_BYTES]
        return label, words, content, handles

    def fitting(self, one: Operation) -> tuple[list[int], bytes, int]:
        """What the operation's parameters become in a message."""
        words: list[int] = []
        content = b""
        for name, kind in one.parameters.items():
            if name in one.handles:
                continue
            if name in one.slices:
                part = self.content()[: tags.MAXIMUM_BYTES - len(content)]
                content += part
                words.append(len(part))
            elif is_struct(kind):
                content += self.feed.take(kind.__struct__.size).ljust(kind.__struct__.size, b"\0")
                words.append(0)
            elif is_optional(kind):
                words += [self.feed.number() & 1, self.word()]
            else:
                words.append(self.word())
        return words + [0] * (8 - len(words)), content, len(one.handles)


def put(message: Any, label: int, words: list[int], content: bytes, handles: int) -> None:
    """Fill the message and the buffer."""
    lengths = handles << tags.HANDLES_SHIFT | len(content) << tags.BYTES_SHIFT
    message.tag = U64(label << tags.LABEL_SHIFT | lengths | 8)
    for index, word in enumerate(words):
        message.words[index] = U64(word)
    page = transport.buffer()
    page.moves = U32(0)
    for index in range(handles):
        page.handles[index] = U64(SENT[index])
    if content:
        page.data.slice()[0 : len(content)].copy_from(literal(content))


def check_answer(label: int, answer: int, closed: list[int], handles: int) -> None:
    """The answer's label is 0, or the number of an error that may come; then what came was given back."""
    one = OPERATIONS.get(label)
    declared = {vars(error)["code"] for error in one.raises} if one is not None else set()
    known = {0, int(BadMessage.code), int(BadOperation.code), *declared}
    assert answer in known, f"label {label:#x} was answered with {answer}"
    if answer:
        wrong = [handle for handle in SENT[:handles] if closed.count(handle) != 1]
        assert not wrong, f"the handles {wrong} of a refused message were not closed, or twice"


def fuzz(data: bytes) -> None:
    """Send messages to one service."""
    feed = Feed(data)
    number = feed.number()
    serving = Serving(number)
    try:
        sender = Sender(feed, labels_of(serving.objects, number))
        count = 0
        while feed.left and count < MOST_MESSAGES:
            count += 1
            one_message(serving, sender)
    finally:
        serving.finish()


def one_message(serving: Serving, sender: Sender) -> None:
    """Send one message, and look at what became of it; now and then, time passes instead."""
    form = sender.feed.number()
    first: Any = serving.objects[0] if serving.objects else None
    if form >= 248 and hasattr(first, "expired"):
        first.expired()
        return
    if form >= 244 and hasattr(first, "signalled"):
        first.signalled(U64(sender.word()))
        return
    if form >= 240 and serving.model.derived:
        serving.model.gone.add(100 + sender.feed.number() % serving.model.derived)
        return
    if form >= 232:
        serving.model.fail_in, serving.model.fail_with = 1 + (sender.feed.number() & 7), sender.feed.number()
    label, words, content, handles = sender.message()
    message = Message()
    put(message, label, words, content, handles)
    serving.model.closed.clear()
    kept = local_calls.post(SERVICE, serving.badge(form & 15), message, form & 0x60 != 0)
    if kept is not None and kept.answer is not None:
        answer = int(kept.answer[0]) >> tags.LABEL_SHIFT
        check_answer(label, answer, serving.model.closed, handles)
