"""The wiring of the image (grammar: `cloudos.abi.wiring`) as init keeps it: what each component is given."""

from __future__ import annotations

from cloudos.lang import U64, managed
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.text import Text
from cloudos.sdk.errors import InvalidNumber
from cloudos.sdk.executable import Executable

# States of a component.
STOPPED = 0
RUNNING = 1
FAILED = 2
WAITING = 3  # for its next start

# Restart policies.
NEVER = 0
ON_FAILURE = 1
ALWAYS = 2
MACHINE = 3  # the machine ends with it

FIRST_NUMBER = 2  # of a component, which is its badge: 1 is for who mints sessions
MAXIMUM = 62
MOST = 1 << 52


@managed
class Need:
    """A handle to what another component offers. `use`: use, mint, signal or write."""

    name: Text
    component: Text
    use: Text


@managed
class Resource:
    """A part of the machine. `kind`: ports, registers or interrupt, whose line is `first` and flags are `length`."""

    kind: Text
    name: Text
    first: U64
    length: U64
    # Handle of init's, made at the first start.
    handle: U64


@managed
class Grant:
    """Something that init itself holds."""

    name: Text
    kind: Text


@managed
class Component:
    """One component: what the image says of it, then init's handles to it, then its life so far."""

    name: Text
    number: U64
    program: Text
    memory: U64
    # How much of what the machine has beyond all quotas it gets.
    share: U64
    # How many handles it may hold; 0: as many as its memory has room for.
    handles: U64
    priority: U64
    budget: U64
    period: U64
    label: U64
    policy: U64
    limit: U64
    backoff: U64
    state_bytes: U64
    offers: bool
    arguments: List[Text]
    needs: List[Need]
    # Components of whose new starts it is told.
    told_of: List[Text]
    resources: List[Resource]
    grants: List[Grant]
    executable: Executable | None
    quota: U64
    schedule: U64
    endpoint: U64
    bell: U64
    kept: U64
    process: U64
    state: U64
    starts: U64
    failures: U64
    since: U64
    due: U64
    # A call that is answered when it has been started again.
    asker: U64
    # When lines about its starts and ends would be no more than one each LINE_TIME; lines left out since the last one.
    told: U64
    untold: U64

    def is_told_of(self, name: Text) -> bool:
        """Whether it wants to know when the component of this name was started again."""
        for one in self.told_of:
            if one == name:
                return True
        return False


def new_component(name: Text, program: Text, number: U64) -> Component:
    """A component of which nothing else is known."""
    none = U64(0)
    return Component(
        name,
        number,
        program,
        U64(1 << 20),
        none,
        none,
        U64(100),
        U64(10_000_000),
        U64(10_000_000),
        none,
        U64(NEVER),
        none,
        none,
        none,
        False,
        List[Text](),
        List[Need](),
        List[Text](),
        List[Resource](),
        List[Grant](),
        None,
        none,
        none,
        none,
        none,
        none,
        none,
        U64(STOPPED),
        none,
        none,
        none,
        none,
        none,
        none,
        none,
    )


def number_in(words: List[Text], index: U64) -> U64:
    """A decimal number of a line. Raises InvalidNumber, also when it is missing."""
    if index >= words.length:
        raise InvalidNumber
    value = words[index].to_integer()
    if value < 0:
        raise InvalidNumber
    return U64(value)


def amount_in(words: List[Text]) -> U64:
    """Bytes, shares, handles: no more than any machine has, so that their sum is a number. Raises InvalidNumber."""
    amount = number_in(words, U64(1))
    if amount > MOST:
        raise InvalidNumber
    return amount


def parse(text: Text) -> List[Component]:
    """The components in the order of the wiring. Raises InvalidNumber for a line that is not of the grammar."""
    components = List[Component]()
    for line in text.split("\n"):
        if line.length == 0:
            continue
        words = line.split(" ")
        if words[0].equals("component"):
            if words.length != 3 or components.length == MAXIMUM:
                raise InvalidNumber
            components.append(new_component(words[1], words[2], components.length + FIRST_NUMBER))
        else:
            if components.length == 0:
                raise InvalidNumber
            read_line(components[components.length - 1], words, line)
    return components


def read_line(component: Component, words: List[Text], line: Text) -> None:
    """One statement about a component. Raises InvalidNumber."""
    word = words[0]
    if word.equals("memory"):
        component.memory = amount_in(words)
    elif word.equals("share"):
        component.share = amount_in(words)
    elif word.equals("handles"):
        component.handles = amount_in(words)
    elif word.equals("schedule"):
        component.priority = number_in(words, U64(1))
        component.budget = number_in(words, U64(2))
        component.period = number_in(words, U64(3))
    elif word.equals("label"):
        component.label = number_in(words, U64(1))
    elif word.equals("restart"):
        component.limit = number_in(words, U64(2))
        component.backoff = number_in(words, U64(3))
        component.policy = policy_of(words[1])
    elif word.equals("state"):
        component.state_bytes = amount_in(words)
    elif word.equals("argument") and line.length > 8:
        component.arguments.append(line.slice(U64(9), line.length))
    elif word.equals("offer"):
        component.offers = True
    else:
        read_capability(component, words)


def read_capability(component: Component, words: List[Text]) -> None:
    """A statement about something that a component holds. Raises InvalidNumber."""
    word = words[0]
    if word.equals("need") and words.length == 4:
        component.needs.append(Need(words[1], words[2], words[3]))
    elif word.equals("told") and words.length == 2:
        component.told_of.append(words[1])
    elif word.equals("grant") and words.length == 3:
        component.grants.append(Grant(words[1], words[2]))
    elif word.equals("ports") or word.equals("registers") or word.equals("interrupt"):
        first, length = number_in(words, U64(2)), number_in(words, U64(3))
        component.resources.append(Resource(word, words[1], first, length, U64(0)))
    else:
        raise InvalidNumber


def policy_of(word: Text) -> U64:
    """The number of a restart policy. Raises InvalidNumber."""
    if word.equals("always"):
        return U64(ALWAYS)
    if word.equals("on-failure"):
        return U64(ON_FAILURE)
    if word.equals("never"):
        return U64(NEVER)
    if word.equals("machine"):
        return U64(MACHINE)
    raise InvalidNumber
