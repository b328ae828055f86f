"""Contracts: one typed declaration of a service interface, from which client, server and reference are made.

    @contract(number=9, version=1)
    class Clock:
        handle: U64

        @operation(1, raises=(ServiceGone,))
        def now(self) -> U64: ...

The class is the client: `Clock(handle).now()` sends a message and gives what came back. Operations take integers,
bools, enums, `U64 | None`, structs of integers, slices of bytes, and handles (`shares`, `moves`: names of parameters).
They give one such value, a tuple of integers, bytes (`fills`: the parameter that they are put into; the result says
how many), or handles (`returns_handle`: True, or how many).

An operation that is `one_way` gives nothing and is not answered. Its client waits until the server takes the message,
`patience` nanoseconds at most; then the message is dropped, and the client learns that by Dropped. That it was taken
does not say what became of it. A server whose version has no such operation ignores the message: who must know asks
for `contract_version()` first.

How they travel: the label is contract << 16 | operation, the reply's label is 0 or the number of an error. Scalars are
words in the order of parameters; a slice is a word, its length, and its bytes follow each other in the message buffer;
`U64 | None` is two words; structs are bytes. Operation 0 of every contract asks for the server's version of it: a
client made for version n works with n + 1, because numbers are never given to something else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import UnionType
from typing import Any, TypeVar, dataclass_transform, get_args, get_type_hints

from cloudos.abi import tags
from cloudos.abi.errors import Denied, numbered
from cloudos.contracts.errors import BadMessage, BadOperation, Dropped, ServiceGone
from cloudos.lang import I64, U8, U16, U32, U64, Error, IntEnum, Ptr, Slice, generate, struct, zeroed
from cloudos.sdk import transport
from cloudos.sdk.ipc import Message

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C")

INTEGERS = (U8, U16, U32, U64, I64)
WORDS = 8
ONE_WAY_ERRORS = (Dropped, ServiceGone, Denied)
LONGEST_PATIENCE = 1_000_000_000
CONTRACTS: dict[int, type[Any]] = {}
"""Every contract that was declared, by its number."""


@dataclass(frozen=True)
class Operation:
    """One operation, as declared."""

    number: int
    name: str
    function: Any
    raises: tuple[type[Error], ...]
    fills: str | None = None
    shares: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    returned_handles: int = 0
    since: int = 1
    one_way: bool = False
    patience: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    result: Any = None

    @property
    def handles(self) -> list[str]:
        """The parameters that are handles, in order."""
        return [name for name in self.parameters if name in self.shares or name in self.moves]

    @property
    def slices(self) -> list[str]:
        """The parameters whose bytes travel with the call, in order."""
        return [name for name, kind in self.parameters.items() if kind == Slice[U8] and name != self.fills]


@dataclass(frozen=True)
class Declaration:
    """What `@contract` knows of a class."""

    number: int
    version: int
    operations: tuple[Operation, ...]


def operation(
    number: int,
    *,
    raises: tuple[type[Error], ...] = (),
    fills: str | None = None,
    shares: tuple[str, ...] = (),
    moves: tuple[str, ...] = (),
    returns_handle: int = 0,
    since: int = 1,
    one_way: bool = False,
    patience: int = 0,
) -> Callable[[F], F]:
    """Declare an operation of a contract: its number from 1, and the errors that it may raise.

    `one_way`: it is not answered; the client waits `patience` nanoseconds at most until the message is taken, 0: not at
    all.
    """

    def decorate(function: F) -> F:
        if not 0 < number < 1 << 16:
            raise TypeError(f"{function.__name__}: operations are numbered from 1")
        made = Operation(
            number, function.__name__, function, raises, fills, shares, moves, int(returns_handle), since,
            one_way, patience,
        )  # fmt: skip
        function.__operation__ = made  # type: ignore[attr-defined]
        return function

    return decorate


@dataclass_transform(eq_default=False)
def contract(*, number: int, version: int) -> Callable[[type[C]], type[C]]:
    """Make a class of operations a contract, and the client of it. `number` names it in messages."""

    def decorate(cls: type[C]) -> type[C]:
        declared = [vars(member)["__operation__"] for member in vars(cls).values() if hasattr(member, "__operation__")]
        operations = tuple(_with_types(cls, one) for one in declared)
        if len({one.number for one in operations}) != len(operations) or number in CONTRACTS:
            raise TypeError(f"{cls.__name__}: a number is used twice")
        for one in operations:
            check_operation(cls.__name__, one)
            setattr(cls, one.name, client_function(cls, number, one))
        cls.contract_version = _version_function(cls, number)  # type: ignore[attr-defined]
        cls.__annotations__ = {"handle": U64}
        made = struct(cls)
        made.__contract__ = Declaration(number, version, operations)  # type: ignore[attr-defined]
        CONTRACTS[number] = made
        return made

    return decorate


def declaration(contract: type[Any]) -> Declaration:
    """What a contract declares. Raises TypeError for another class."""
    found = contract.__dict__.get("__contract__")
    if not isinstance(found, Declaration):
        raise TypeError(f"{contract.__name__} is not a contract")
    return found


def _with_types(cls: type[Any], one: Operation) -> Operation:
    hints = get_type_hints(one.function)
    result = hints.pop("return", None)
    result = None if result is type(None) else result
    return replace(one, parameters=hints, result=result)


def is_optional(kind: Any) -> bool:
    """Whether a type is `U64 | None`."""
    return isinstance(kind, UnionType) and get_args(kind) == (U64, type(None))


def is_struct(kind: Any) -> bool:
    """Whether a type is a struct of integers."""
    return isinstance(kind, type) and "__struct_source__" in vars(kind)


def is_enum(kind: Any) -> bool:
    """Whether a type is an enum of named numbers."""
    return isinstance(kind, type) and issubclass(kind, IntEnum)


def results(one: Operation) -> tuple[Any, ...]:
    """The types of what an operation gives, one by one."""
    if one.result is None:
        return ()
    return get_args(one.result) if getattr(one.result, "__origin__", None) is tuple else (one.result,)


def check_operation(owner: str, one: Operation) -> None:
    """Refuse what cannot travel. Raises TypeError that names the operation."""
    where = f"{owner}.{one.name}"
    for name, kind in one.parameters.items():
        known = kind in INTEGERS or kind is bool or kind == Slice[U8] or is_optional(kind) or is_enum(kind)
        if not known and not is_struct(kind):
            raise TypeError(f"{where}: {name} is of a type that does not travel: {kind}")
    words = sum(2 if is_optional(kind) else 1 for kind in one.parameters.values()) - len(one.handles)
    if words > WORDS or len(one.handles) > tags.MAXIMUM_HANDLES or len(results(one)) > WORDS:
        raise TypeError(f"{where}: more than {WORDS} words or {tags.MAXIMUM_HANDLES} handles")
    if ServiceGone not in one.raises:
        raise TypeError(f"{where}: every operation may raise ServiceGone")
    if one.fills is not None and (one.result is not U64 or one.parameters.get(one.fills) != Slice[U8]):
        raise TypeError(f"{where}: what fills a slice returns how many bytes, as U64")
    if one.returned_handles and len(results(one)) != one.returned_handles:
        raise TypeError(f"{where}: it returns handles and nothing else")
    if one.one_way:
        _check_one_way(where, one)
    elif one.patience or Dropped in one.raises:
        raise TypeError(f"{where}: only what is one way has patience and may be Dropped")


def _check_one_way(where: str, one: Operation) -> None:
    """Refuse what would need an answer. Raises TypeError."""
    if one.result is not None or one.fills is not None or one.returned_handles:
        raise TypeError(f"{where}: what is one way gives nothing")
    if Dropped not in one.raises or any(error not in ONE_WAY_ERRORS for error in one.raises):
        raise TypeError(f"{where}: what is one way may raise Dropped and ServiceGone, Denied at most besides")
    if not 0 <= one.patience <= LONGEST_PATIENCE:
        raise TypeError(f"{where}: a patience of 0 to {LONGEST_PATIENCE} nanoseconds")


def type_text(kind: Any, names: dict[str, Any]) -> str:
    """A type as the generated text writes it; `names` receives what the text needs."""
    if kind is None:
        return "None"
    if kind == Slice[U8]:
        return "Slice[U8]"
    if is_optional(kind):
        return "U64 | None"
    if getattr(kind, "__origin__", None) is tuple:
        return f"tuple[{', '.join(type_text(part, names) for part in get_args(kind))}]"
    names[kind.__name__] = kind
    return str(kind.__name__)


def namespace(module: str) -> dict[str, Any]:
    """What generated text may name."""
    errors = {error.__name__: error for _, error in numbered()}
    own = {error.__name__: error for error in (BadMessage, BadOperation, Dropped, ServiceGone)}
    types = {kind.__name__: kind for kind in (*INTEGERS, Slice, Ptr, Message)}
    more = {"zeroed": zeroed, "transport": transport, "__name__": module}
    return {**errors, **own, **types, **more}


def _put(one: Operation, names: dict[str, Any]) -> tuple[list[str], int]:
    """The lines that put the parameters into a message, and how many words they take."""
    lines, word = [], 0
    for name, kind in one.parameters.items():
        if name in one.handles:
            continue
        target = f"    message.words[{word}] = "
        if kind == Slice[U8] and name != one.fills:
            lines.append(f"    used = transport.put(used, {name})")
            lines.append(f"{target}{name}.length")
        elif kind == Slice[U8]:
            lines.append(f"{target}min({name}.length, U64(transport.LONGEST))")
        elif is_optional(kind):
            lines += [f"    if {name} is not None:", f"        message.words[{word}] = U64(1)"]
            lines += [f"        message.words[{word + 1}] = {name}", "    else:"]
            lines += [f"        message.words[{word}] = U64(0)", f"        message.words[{word + 1}] = U64(0)"]
            word += 1
        elif is_struct(kind):
            lines.append(f"    used = transport.put(used, transport.bytes_of({name}, U64({kind.__struct__.size})))")
            lines.append(f"{target}U64(0)")
        elif kind is I64:
            lines.append(f"{target}U64.truncate({name})")
        elif kind is bool:
            lines.append(f"{target}U64(1) if {name} else U64(0)")
        else:
            lines.append(f"{target}{name if kind is U64 else f'U64({name})'}")
        word += 1
    return lines, word


def _value(kind: Any, word: int, names: dict[str, Any]) -> str:
    """A result as an expression over the words of the reply."""
    if kind is bool:
        return f"message.words[{word}] != 0"
    if kind is I64:
        return f"I64.truncate(message.words[{word}])"
    if kind is U64:
        return f"message.words[{word}]"
    if is_enum(kind):
        return f"{type_text(kind, names)}(message.words[{word}])"
    return f"{type_text(kind, names)}.truncate(message.words[{word}])"


def _no_member(one: Operation) -> list[str]:
    """The lines that refuse a reply with a number that an enum does not have."""
    lines = []
    for word, kind in enumerate(results(one)):
        if is_enum(kind):
            members = " and ".join(f"message.words[{word}] != {int(member)}" for member in kind)
            lines += [f"    if {members}:", "        raise ServiceGone"]
    return lines


def _get(one: Operation, names: dict[str, Any]) -> list[str]:
    """The lines that make the result from the reply."""
    if one.returned_handles:
        taken = ", ".join(f"transport.handle(message, U64({n}))" for n in range(one.returned_handles))
        return [f"    return {taken}"]
    if one.fills is not None:
        return [f"    return transport.take_bytes(message, {one.fills})"]
    if one.result is None:
        return ["    return"]
    if is_optional(one.result):
        return ["    if message.words[0] == 0:", "        return None", "    return message.words[1]"]
    if is_struct(one.result):
        kind = type_text(one.result, names)
        return [
            f"    result: {kind} = zeroed()",
            f"    transport.take_struct(message, transport.bytes_of(result, U64({one.result.__struct__.size})))",
            "    return result",
        ]
    values = ", ".join(_value(kind, word, names) for word, kind in enumerate(results(one)))
    return [*_no_member(one), f"    return {values}"]


def client_function(cls: type[Any], number: int, one: Operation) -> Any:
    """The method of a client: message, call, errors, result."""
    names = namespace(cls.__module__)
    parameters = "".join(f", {name}: {type_text(kind, names)}" for name, kind in one.parameters.items())
    lines = [f"def {one.name}(self{parameters}) -> {type_text(one.result, names)}:", "    message = transport.REQUEST"]
    put, words = _put(one, names)
    # All words travel, and the message was used before: nothing of that is for this service.
    put += [f"    message.words[{word}] = U64(0)" for word in range(words, WORDS)]
    bytes_travel = any("used" in line for line in put)
    lines += (["    used = U64(0)"] if bytes_travel else []) + put
    for index, name in enumerate(one.handles):
        lines.append(f"    transport.put_handle(U64({index}), {name}, {name in one.moves})")
    tag = (number << 16 | one.number) << tags.LABEL_SHIFT | len(one.handles) << tags.HANDLES_SHIFT | words
    lines.append(f"    message.tag = U64({tag})" + (f" | used << {tags.BYTES_SHIFT}" if bytes_travel else ""))
    if one.one_way:
        lines.append(f"    error = transport.deliver(self.handle, message, U64({one.patience}))")
    else:
        lines.append(f"    error = transport.exchange(self.handle, message, U64({one.returned_handles}))")
    lines.append("    if error != 0:")
    for error in one.raises if one.one_way else (*one.raises, BadMessage, BadOperation):
        if error is not ServiceGone:
            names[error.__name__] = error
            lines += [f"        if error == {vars(error)['code']}:", f"            raise {error.__name__}"]
    lines += ["        raise ServiceGone", *_get(one, names)]
    return _made("\n".join(lines) + "\n", one.name, names, cls, one.function)


def _version_function(cls: type[Any], number: int) -> Any:
    names = namespace(cls.__module__)
    lines = [
        "def contract_version(self) -> U64:",
        "    message = transport.REQUEST",
        *(f"    message.words[{word}] = U64(0)" for word in range(WORDS)),
        f"    message.tag = U64({number << 16 << tags.LABEL_SHIFT})",
        "    if transport.exchange(self.handle, message, U64(0)) != 0:",
        "        raise ServiceGone",
        "    return message.words[0]",
    ]
    return _made("\n".join(lines) + "\n", "contract_version", names, cls, None)


def _made(source: str, name: str, names: dict[str, Any], cls: type[Any], declared: Any) -> Any:
    function = generate(source, name, names)
    function.__qualname__ = f"{cls.__name__}.{name}"
    function.__module__ = cls.__module__
    function.__doc__ = declared.__doc__ if declared is not None else "The server's version of the contract."
    return function
