"""Servers of contracts: the loop that receives messages, checks them, and calls an object that implements them.

    @struct
    class Server:
        def now(self) -> U64:
            return TIME.read()

    SERVER = Server()
    serve = server((Clock, SERVER))

    def main() -> None:
        serve(held("offer"))

State that needs the heap lives in a managed object: name its class instead, and hand the object to the loop:
`serve = server((Files, FileServer))`, then `serve(held("offer"), FileServer(…))`.

A method has the parameters of the operation's declaration and may raise the errors that it lists: one that could raise
more does not compile. `CALLER` says who asks. A method that cannot answer yet takes `CALLER.later()`, keeps what that
returns, and raises Later; it is answered with `answer`, `answer_bytes` or `fail`. Bytes that came with a message are
valid until the method returns. Handles that came belong to the method, unless it raises. The method of an operation
that is one way gives nothing and raises nothing. A message that is none of those, and not to be answered either, is
forgotten.

The first object may have `signalled(self, bits: U64) -> None`, called with the signals of the notification that is
bound to the thread, and both `deadline(self) -> U64` (absolute, in nanoseconds) and `expired(self) -> None`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from cloudos.abi import tags
from cloudos.abi.errors import (
    BadArgument,
    BadHandle,
    BadState,
    Cancelled,
    Denied,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TimedOut,
    TooManyHandles,
    WouldBlock,
    WrongKind,
)
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import I64, U8, U64, Array, Error, Ptr, Slice, generate, inlined, panic, place, struct, zeroed
from cloudos.sdk import ipc, transport
from cloudos.sdk.contract import (
    Operation,
    declaration,
    is_enum,
    is_optional,
    is_struct,
    namespace,
    results,
    type_text,
)
from cloudos.sdk.ipc import Message

BAD_MESSAGE = 301
BAD_OPERATION = 302
TIMED_OUT = 10
REPLY_RECEIVE = next(call.number for call in SYSTEM_CALLS if call.name == "message_reply_receive")
LONGEST = transport.LONGEST


class Later(Error):
    """The operation is answered later."""


@struct
class Caller:
    """Who asks: the badge of the handle that was used, and how the call is answered (0: it cannot be)."""

    badge: U64 = U64(0)
    reply: U64 = U64(0)

    def later(self) -> U64:
        """Keep the call to answer it later; raise Later then."""
        kept = self.reply
        self.reply = U64(0)
        return kept


@struct
class Areas:
    """Copies of what came and of what goes: the message buffer is used again by calls to other services."""

    input: Array[U8, Literal[4032]] = zeroed()
    output: Array[U8, Literal[4032]] = zeroed()


CALLER = place(Caller())
AREAS = place(Areas())


def accept(endpoint: U64, message: Message, deadline: U64) -> bool:
    """Wait for a message until `deadline` (absolute); False when that has come first.

    Panics when the endpoint is not one to receive from: a server without it has nothing to do.
    """
    while True:
        try:
            message.tag = set_deadline(deadline)
            ipc.receive(endpoint, message)
            return True
        except (TimedOut, WouldBlock):
            # The latter is what a deadline of 0 gives.
            return False
        except (Cancelled, QuotaExceeded, OutOfMemory, TooManyHandles):
            # A message that could not be taken stays with its sender, or is lost with its error.
            pass
        except (BadArgument, BadState, PeerGone, BadHandle, WrongKind, Denied):
            panic("this is no endpoint to receive from")


def set_deadline(deadline: U64) -> U64:
    """Put the deadline of a receive into the message buffer; the bit of the tag that says so."""
    if deadline == 0xFFFF_FFFF_FFFF_FFFF:
        return U64(0)
    transport.buffer().deadline = deadline
    return U64(tags.DEADLINE)


def respond(endpoint: U64, message: Message, deadline: U64) -> bool:
    """Answer, and wait for the next message; False when the deadline has come first."""
    if message.reply == 0:
        return accept(endpoint, message, deadline)
    message.tag = message.tag | set_deadline(deadline)
    error = ipc.enter(Ptr.to(message).address, U64(REPLY_RECEIVE), endpoint)
    if error == 0:
        return True
    if error == TIMED_OUT:
        return False
    # Who asked does not wait any more, or has no room for the handles of the answer, or what was to come could not be
    # taken. In the second case the caller would wait for ever; in the first two, the handles are this process's still.
    if transport.handles_of(message) > 0:
        transport.drop_handles(message)
        fail(message.reply, U64(transport.NO_ROOM))
    return accept(endpoint, message, deadline)


@inlined
def begin(message: Message) -> None:
    """Look at who asks."""
    CALLER.badge = message.badge
    CALLER.reply = message.reply


def take_input(message: Message, expected: U64, handles: U64) -> bool:
    """Copy the bytes that came; False when there are others than the words say, or other handles than declared."""
    length = transport.length_of(message)
    if length != expected or transport.handles_of(message) != handles:
        return False
    if length > 0:
        AREAS.input.slice()[0:length].copy_from(transport.buffer().data.slice()[0:length])
    return True


def total(first: U64, second: U64) -> U64:
    """The sum of two lengths of a message, any numbers; more than can travel when they are."""
    limit = U64(LONGEST + 1)
    return min(first, limit) + min(second, limit)


def refuse(message: Message, code: U64) -> None:
    """Make the message the answer with an error, and give back the handles that came."""
    transport.drop_handles(message)
    message.tag = code << tags.LABEL_SHIFT


def filled(message: Message, count: U64) -> None:
    """Make the message the answer with so many bytes of the output area."""
    transport.buffer().data.slice()[0:count].copy_from(AREAS.output.slice()[0:count])
    message.words[0] = count
    message.tag = count << tags.BYTES_SHIFT | 1


def give_handle(index: U64, handle: U64) -> None:
    """Let a handle go with the answer; it leaves this process."""
    transport.put_handle(index, handle, True)


def answer(reply: U64, value: U64) -> bool:
    """Answer a call that was kept, with one word; whether the caller still waited."""
    message = Message()
    message.words[0] = value
    message.words[1] = value
    message.tag = U64(1)
    return _finish(message, reply)


def answer_bytes(reply: U64, data: Slice[U8]) -> bool:
    """Answer a call that was kept and fills a slice, with at most 4,032 bytes; whether the caller still waited."""
    message = Message()
    transport.buffer().data.slice()[0 : data.length].copy_from(data)
    message.words[0] = data.length
    message.tag = data.length << tags.BYTES_SHIFT | 1
    return _finish(message, reply)


def fail(reply: U64, code: U64) -> bool:
    """Answer a call that was kept, with the number of an error that it declares; whether the caller still waited."""
    message = Message()
    message.tag = code << tags.LABEL_SHIFT
    return _finish(message, reply)


def _finish(message: Message, reply: U64) -> bool:
    message.reply = reply
    try:
        ipc.reply(message)
        return True
    except (
        BadArgument,
        BadState,
        BadHandle,
        Cancelled,
        Denied,
        OutOfMemory,
        PeerGone,
        QuotaExceeded,
        TimedOut,
        TooManyHandles,
        WouldBlock,
        WrongKind,
    ):
        return False


def server(*served: tuple[type[Any], Any], symbol: str = "cloudos_serve") -> Callable[..., None]:
    """The loop of a server: pairs of a contract and the object, or the class of the object, that implements it.

    It takes the endpoint to receive from, and an object for each class. It never returns.

    Raises TypeError when an object lacks an operation. `symbol` names the function in the program: one that had to
    raise an error that its contract does not declare does not compile.
    """
    names = {**namespace("cloudos.sdk.service"), **_HELPERS}
    functions, branches, one_way = [], [], []
    given = [f"SERVER{index}" for index, (_, one) in enumerate(served) if isinstance(one, type)]
    parameters = "".join(f", {name}: Class{name[6:]}" for name in given)
    arguments = "".join(f", {name}" for name in given)
    for index, (contract, implementation) in enumerate(served):
        names[f"Class{index}" if isinstance(implementation, type) else f"SERVER{index}"] = implementation
        declared = declaration(contract)
        for one in declared.operations:
            if not hasattr(implementation, one.name):
                raise TypeError(f"{implementation} does not have {contract.__name__}.{one.name}")
            functions += _operation(index, one, names, parameters)
            label = declared.number << 16 | one.number
            branch = [f"    elif label == {label}:", f"        _{index}_{one.name}(message{arguments})"]
            branches += branch
            one_way += branch if one.one_way else []
        branches += [
            f"    elif label == {declared.number << 16}:",
            "        transport.drop_handles(message)",
            f"        message.words[0] = U64({declared.version})",
        ]
        branches += ["        message.tag = U64(1)"]
    branches[0] = branches[0].replace("elif", "if", 1)
    lines = [*functions, *_unanswered(one_way, parameters)]
    lines += [f"def dispatch(message: Message{parameters}) -> None:", "    begin(message)"]
    lines += ["    if message.reply == 0:", f"        unanswered(message{arguments})", "        return"]
    lines += [f"    label = message.tag >> {tags.LABEL_SHIFT}", *branches]
    lines += [
        "    else:",
        f"        refuse(message, U64({BAD_OPERATION}))",
        "",
        *_loop(served[0][1], parameters, arguments),
    ]
    made: Callable[..., None] = generate("\n".join(lines) + "\n", "serve", names)
    made.__exported__ = symbol  # type: ignore[attr-defined]
    made.__dispatch__ = names["dispatch"]  # type: ignore[attr-defined]
    return made


def _unanswered(branches: list[str], parameters: str) -> list[str]:
    """The text of the function for messages that cannot be answered: of operations that are one way, or of none."""
    lines = [f"def unanswered(message: Message{parameters}) -> None:", f"    label = message.tag >> {tags.LABEL_SHIFT}"]
    if not branches:
        return [lines[0], "    transport.drop_handles(message)", ""]
    first = branches[0].replace("elif", "if", 1)
    return [*lines, first, *branches[1:], "    else:", "        transport.drop_handles(message)", ""]


def _loop(first: Any, parameters: str, arguments: str) -> list[str]:
    """The text of the loop itself."""
    timed = hasattr(first, "expired")
    deadline = "SERVER0.deadline()" if timed else "U64(0xFFFF_FFFF_FFFF_FFFF)"
    signalled = "SERVER0.signalled(message.words[0])" if hasattr(first, "signalled") else "pass"
    return [
        f"def serve(endpoint: U64{parameters}) -> None:",
        "    message = Message()",
        f"    came = accept(endpoint, message, {deadline})",
        "    while True:",
        "        if not came:",
        "            SERVER0.expired()" if timed else "            pass",
        "            message.reply = U64(0)",
        "        elif message.is_from_kernel:",
        f"            {signalled}",
        "            message.reply = U64(0)",
        "        else:",
        f"            dispatch(message{arguments})",
        "            message.reply = CALLER.reply",
        f"        came = respond(endpoint, message, {deadline})",
    ]


@dataclass
class _Received:
    """What the text of one operation does with its message: conditions under which it is none, lines that take it
    apart, and the arguments that come of it."""

    bytes: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def take(self, length: str) -> str:
        """So many of the bytes that came, behind those that were taken before."""
        start = f"end{len(self.bytes) - 1}" if self.bytes else "U64(0)"
        number = len(self.bytes)
        self.bytes.append(length)
        self.lines += [f"    start{number} = {start}", f"    end{number} = start{number} + {length}"]
        return f"AREAS.input.slice()[start{number}:end{number}]"

    def expected(self) -> str:
        """How many bytes there must be."""
        if len(self.bytes) < 2:
            return self.bytes[0] if self.bytes else "U64(0)"
        return f"total({', '.join(self.bytes)})"


def _received(one: Operation, names: dict[str, Any]) -> _Received:
    """The parameters of an operation, from its message. Raises TypeError for more slices than two."""
    found, word = _Received(), 0
    for name, kind in one.parameters.items():
        if name in one.handles:
            found.arguments.append(f"transport.handle(message, U64({one.handles.index(name)}))")
            continue
        at = f"message.words[{word}]"
        if kind == Slice[U8] and name != one.fills:
            found.arguments.append(found.take(at))
        elif kind == Slice[U8]:
            found.arguments.append(f"AREAS.output.slice()[0 : min({at}, U64({LONGEST}))]")
        elif is_struct(kind):
            size = f"U64({kind.__struct__.size})"
            content = found.take(size)
            found.lines += [f"    {name}: {type_text(kind, names)} = zeroed()"]
            found.lines += [f"    transport.bytes_of({name}, {size}).copy_from({content})"]
            found.arguments.append(name)
        else:
            condition, argument = _scalar(kind, at, word, names)
            found.conditions += condition
            found.arguments.append(argument)
            word += 1 if is_optional(kind) else 0
        word += 1
    if len(found.bytes) > 2:
        raise TypeError(f"{one.name}: at most two slices or structs")
    return found


def _operation(index: int, one: Operation, names: dict[str, Any], parameters: str) -> list[str]:
    """The text of the function that checks one operation's message, calls the method and makes the answer."""
    received = _received(one, names)
    if not received.bytes and not one.handles:
        cargo = f"message.tag & {transport.CARGO} != 0"
    else:
        cargo = f"not take_input(message, {received.expected()}, U64({len(one.handles)}))"
    lines = [f"def _{index}_{one.name}(message: Message{parameters}) -> None:"]
    lines += [f"    if {' or '.join([cargo, *received.conditions])}:"]
    lines += [f"        refuse(message, U64({BAD_MESSAGE}))", "        return", *received.lines]
    call = f"SERVER{index}.{one.name}({', '.join(received.arguments)})"
    if one.one_way:
        return [*lines, f"    {call}", "    message.tag = U64(0)", ""]
    lines += ["    try:", *_answer(one, call, names)]
    for error in one.raises:
        names[error.__name__] = error
        lines += [f"    except {error.__name__}:", f"        refuse(message, U64({vars(error)['code']}))"]
    return [*lines, "    except Later:", "        pass", ""]


def _scalar(kind: Any, at: str, word: int, names: dict[str, Any]) -> tuple[list[str], str]:
    """Conditions under which a word is no value of a type, and the value."""
    if kind is U64:
        return [], at
    if kind is I64:
        return [], f"I64.truncate({at})"
    if kind is bool:
        return [f"{at} > 1"], f"{at} != 0"
    if is_optional(kind):
        return [f"{at} > 1"], f"(message.words[{word + 1}] if {at} != 0 else None)"
    if is_enum(kind):
        members = " and ".join(f"{at} != {int(member)}" for member in kind)
        return [f"({members})"], f"{type_text(kind, names)}({at})"
    return [f"{at} > {kind.MAX}"], f"{type_text(kind, names)}({at})"


def _answer(one: Operation, call: str, names: dict[str, Any]) -> list[str]:
    """The lines that call the method and make the answer from what it gives."""
    if one.fills is not None:
        return [f"        filled(message, {call})"]
    if one.result is None:
        return [f"        {call}", "        message.tag = U64(0)"]
    if one.returned_handles:
        if one.returned_handles == 1:
            lines = [f"        given = {call}", "        give_handle(U64(0), given)"]
        else:
            lines = [f"        first, second = {call}", "        give_handle(U64(0), first)"]
            lines += ["        give_handle(U64(1), second)"]
        return [*lines, f"        message.tag = U64({one.returned_handles << tags.HANDLES_SHIFT})"]
    if is_optional(one.result):
        lines = [f"        result = {call}", "        message.words[0] = U64(0) if result is None else U64(1)"]
        lines += ["        message.words[1] = U64(0) if result is None else result"]
        return [*lines, "        message.tag = U64(2)"]
    if is_struct(one.result):
        size = one.result.__struct__.size
        lines = [f"        result = {call}", f"        size = U64({size})"]
        lines += ["        AREAS.output.slice()[0:size].copy_from(transport.bytes_of(result, size))"]
        return [*lines, "        filled(message, size)"]
    kinds = results(one)
    targets = ", ".join(f"value{n}" for n in range(len(kinds)))
    lines = [f"        {targets} = {call}"]
    for n, kind in enumerate(kinds):
        lines.append(f"        message.words[{n}] = {_word(kind, f'value{n}')}")
    return [*lines, f"        message.tag = U64({len(kinds)})"]


def _word(kind: Any, value: str) -> str:
    """A value as a word of the answer."""
    if kind is bool:
        return f"U64(1) if {value} else U64(0)"
    if kind is I64:
        return f"U64.truncate({value})"
    return value if kind is U64 else f"U64({value})"


_HELPERS: dict[str, Any] = {
    "AREAS": AREAS,
    "CALLER": CALLER,
    "Later": Later,
    "accept": accept,
    "begin": begin,
    "filled": filled,
    "give_handle": give_handle,
    "refuse": refuse,
    "respond": respond,
    "take_input": take_input,
    "total": total,
}
