"""Manifests: `component.toml`, the manifest of an image, and the policy that it names, up to the wiring of the image.

The input is three texts, separated by zero bytes, that stand in a folder of their own: an image with its policy, and a
component that may be in it beside two good ones. Whatever they say is used or refused by an error of the tool, which
names a file and, for a ManifestError, a line that the file has.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from cloudos.abi import policy
from cloudos.host import manifest, system_wiring, wiring
from cloudos.host.errors import ToolError
from cloudos.host.manifest_values import ManifestError
from tests.fuzz.target import Feed

FILES = "cloudos.contracts.files:Files"
HEAD = 'name = "{0}"\ndescription = "{0} of a test"\nprogram = "main.py"\n'
PROGRAM = "def main() -> None:\n    pass\n"
MOST_PATTERNS = 2


def folder_with(texts: list[bytes]) -> tempfile.TemporaryDirectory[str]:
    """A folder with the three texts and the two components that are always there."""
    made = tempfile.TemporaryDirectory(prefix="cloudos-fuzz-")
    folder = Path(made.name)
    for name, text in (("files", f'offers = ["{FILES}"]\n'), ("user", f'[needs.files]\ncontract = "{FILES}"\n')):
        (folder / name).mkdir()
        (folder / name / "main.py").write_text(PROGRAM)
        (folder / name / "component.toml").write_text(HEAD.format(name) + text)
    (folder / "own").mkdir()
    (folder / "own" / "main.py").write_text(PROGRAM)
    (folder / "image.toml").write_bytes(texts[0])
    (folder / "own" / "component.toml").write_bytes(texts[1])
    (folder / "policy.toml").write_bytes(texts[2])
    return made


def fuzz(data: bytes) -> None:
    """Read an image."""
    feed = Feed(data)
    architecture = ("x86_64", "aarch64")[feed.number() & 1]
    texts = [*feed.rest().split(b"\0"), b"", b""][:3]
    if texts[0].count(b"*") > MOST_PATTERNS:
        return  # patterns over all of the host's disk take long and prove nothing
    with folder_with(texts) as name:
        folder = Path(name)
        read_policy(texts[2])
        try:
            system = system_wiring.check(manifest.read_image(folder / "image.toml", architecture))
            components = system_wiring.wired(system)
        except ManifestError as error:
            check_place(error)
            return
        except ToolError as error:
            assert error.message
            return
        assert wiring.decode(wiring.encode(components)) == components, "init would read something else"


def check_place(error: ManifestError) -> None:
    """An error is about a line that is there."""
    if error.path.is_file():
        lines = error.path.read_bytes().decode("utf-8", "replace").count("\n") + 1
        assert 1 <= error.line <= lines, f"{error} is about line {error.line} of {lines}"


def read_policy(text: bytes) -> None:
    """The policy alone."""
    try:
        decoded = text.decode()
        matrix = policy.encode(decoded)
        assert len(matrix) == len(policy.labels(decoded)) ** 2
    except UnicodeDecodeError:
        pass
    except policy.PolicyError as error:
        assert 1 <= error.line <= text.count(b"\n") + 1
