"""The wiring of a system image: init's reading of the text, which must be that of the tool or a refusal; and how
memory is shared out among the components."""

from __future__ import annotations

from unittest import mock

from cloudos.host import wiring as host
from cloudos.lang import U64
from cloudos.sdk.collections.text import Text
from cloudos.sdk.errors import InvalidNumber
from cloudos.services.init import starting, wiring
from tests.fuzz.services import literal


def fuzz(data: bytes) -> None:
    """Read one text with both."""
    text = Text.from_bytes(literal(data))
    try:
        components = wiring.parse(text)
        found = [read(one) for one in components]
        with mock.patch.object(starting, "usage", lambda quota: (U64(1 << 20), U64(1 << 30))):
            starting.share_out(components)
    except InvalidNumber:
        found = None
    try:
        expected = host.decode(data.decode("ascii"))
    except (host.WiringError, UnicodeDecodeError):
        return
    if found is not None:
        assert found == [(one.name, one.program, len(one.needs), len(one.arguments)) for one in expected]


def read(one: wiring.Component) -> tuple[str, str, int, int]:
    """A part of what init knows of a component."""
    return str(one.name), str(one.program), int(one.needs.length), int(one.arguments.length)
