"""The wiring of a system image as values, and as the text that init reads (grammar: `cloudos.abi.wiring`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cloudos.abi.wiring import GRANTS, POLICIES, USES

RESOURCES = ("ports", "registers", "interrupt")


class WiringError(ValueError):
    """Not of the grammar; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


@dataclass
class Wired:
    """One component as init starts it. Bytes and nanoseconds; tuples stand as the grammar has them.

    needs: (name, component, use); resources: (kind, name, first, length); grants: (name, kind).
    """

    name: str
    program: str
    memory: int = 0
    share: int = 0
    handles: int = 0
    schedule: tuple[int, int, int] = (0, 0, 0)
    label: int = 0
    restart: tuple[str, int, int] = ("never", 0, 0)
    state: int = 0
    arguments: list[str] = field(default_factory=list)
    offer: str = ""
    needs: list[tuple[str, str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    resources: list[tuple[str, str, int, int]] = field(default_factory=list)
    grants: list[tuple[str, str]] = field(default_factory=list)


def encode(components: Sequence[Wired]) -> str:
    """The text for components in the order in which they start."""
    return "".join(f"{line}\n" for one in components for line in _lines(one))


def _lines(one: Wired) -> list[str]:
    lines = [
        f"component {one.name} {one.program}",
        f"memory {one.memory}",
        *([f"share {one.share}"] if one.share else []),
        *([f"handles {one.handles}"] if one.handles else []),
        "schedule {} {} {}".format(*one.schedule),
        f"label {one.label}",
        "restart {} {} {}".format(*one.restart),
    ]
    lines += [f"state {one.state}"] if one.state else []
    lines += [f"argument {text}" for text in one.arguments]
    lines += [f"offer {one.offer}"] if one.offer else []
    lines += [" ".join(("need", *need)) for need in one.needs]
    lines += [f"told {name}" for name in one.told]
    lines += [f"{kind} {name} {first} {length}" for kind, name, first, length in one.resources]
    return lines + [" ".join(("grant", *grant)) for grant in one.grants]


def decode(text: str) -> list[Wired]:
    """The components of a wiring text. Raises WiringError."""
    components: list[Wired] = []
    for number, line in enumerate(text.split("\n"), 1):
        word, _, rest = line.partition(" ")
        words = rest.split(" ")
        if not line:
            continue
        try:
            if word == "component":
                name, program = words
                components.append(Wired(name, program))
            else:
                READERS[word](components[-1], rest, words)
        except KeyError:
            raise WiringError(f"there is no statement '{word}'", number) from None
        except IndexError:
            raise WiringError("it belongs to no component", number) from None
        except ValueError:
            raise WiringError(f"'{line}' is not of the grammar", number) from None
    return components


def _number(word: str) -> int:
    """A decimal number. Raises ValueError."""
    if not (word.isascii() and word.isdigit()):
        raise ValueError(word)
    return int(word)


def _one_of(word: str, known: Sequence[str]) -> str:
    if word not in known:
        raise ValueError(word)
    return word


def _memory(one: Wired, rest: str, words: list[str]) -> None:
    one.memory = _number(rest)


def _share(one: Wired, rest: str, words: list[str]) -> None:
    one.share = _number(rest)


def _handles(one: Wired, rest: str, words: list[str]) -> None:
    one.handles = _number(rest)


def _schedule(one: Wired, rest: str, words: list[str]) -> None:
    priority, budget, period = map(_number, words)
    one.schedule = (priority, budget, period)


def _label(one: Wired, rest: str, words: list[str]) -> None:
    one.label = _number(rest)


def _restart(one: Wired, rest: str, words: list[str]) -> None:
    policy, limit, backoff = words
    one.restart = (_one_of(policy, POLICIES), _number(limit), _number(backoff))


def _state(one: Wired, rest: str, words: list[str]) -> None:
    one.state = _number(rest)


def _argument(one: Wired, rest: str, words: list[str]) -> None:
    one.arguments.append(rest)


def _offer(one: Wired, rest: str, words: list[str]) -> None:
    (one.offer,) = words
    if one.offer == "":
        raise ValueError(rest)


def _need(one: Wired, rest: str, words: list[str]) -> None:
    name, component, use = words
    one.needs.append((name, component, _one_of(use, USES)))


def _told(one: Wired, rest: str, words: list[str]) -> None:
    (name,) = words
    one.told.append(name)


def _resource(kind: str) -> Reader:
    def read(one: Wired, rest: str, words: list[str]) -> None:
        name, first, length = words
        one.resources.append((kind, name, _number(first), _number(length)))

    return read


def _grant(one: Wired, rest: str, words: list[str]) -> None:
    name, kind = words
    one.grants.append((name, _one_of(kind, GRANTS)))


Reader = Callable[[Wired, str, list[str]], None]
READERS: dict[str, Reader] = {
    "memory": _memory,
    "share": _share,
    "handles": _handles,
    "schedule": _schedule,
    "label": _label,
    "restart": _restart,
    "state": _state,
    "argument": _argument,
    "offer": _offer,
    "need": _need,
    "told": _told,
    "grant": _grant,
    **{kind: _resource(kind) for kind in RESOURCES},
}
