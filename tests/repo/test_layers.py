"""Who may import whom: the table of ARCHITECTURE.md, enforced."""

from __future__ import annotations

from tests.repo.tree import dotted, imports, modules

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "cloudos.lang": (),
    "cloudos.abi": ("cloudos.lang",),
    "cloudos.contracts": ("cloudos.lang", "cloudos.abi", "cloudos.sdk.contract"),
    "cloudos.compiler": ("cloudos.lang",),
    "cloudos.kernel": ("cloudos.lang", "cloudos.abi"),
    "cloudos.sdk": ("cloudos.lang", "cloudos.abi", "cloudos.contracts"),
    "cloudos.drivers": ("cloudos.lang", "cloudos.abi", "cloudos.sdk", "cloudos.contracts"),
    "cloudos.services": ("cloudos.lang", "cloudos.abi", "cloudos.sdk", "cloudos.contracts"),
    "cloudos.apps": ("cloudos.lang", "cloudos.abi", "cloudos.sdk", "cloudos.contracts"),
    "examples": ("cloudos.lang", "cloudos.sdk", "cloudos.contracts"),
    "cloudos.host": ("cloudos",),
}
"""By longest prefix; every part may import itself."""

ARCHITECTURES = ("x86_64", "aarch64", "simulated")


def within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(f"{prefix}.")


def part(module: str) -> str | None:
    """The row of the table that a module belongs to."""
    return next((prefix for prefix in MAY_IMPORT if within(module, prefix)), None)


def allowed(module: str, imported: str) -> bool:
    """Whether a module of this repository may import another one."""
    row = part(module)
    if row is None:
        return not within(imported, "cloudos.host")  # cloudos/__init__.py and whatever comes without a row
    hal = "cloudos.kernel.hal"
    for architecture in ARCHITECTURES:
        place = f"{hal}.{architecture}"
        if within(module, place):
            usable = (*MAY_IMPORT[row], place, f"{hal}.interface", f"{hal}.shared")
            return any(within(imported, prefix) for prefix in usable)
        if within(module, f"{hal}.shared") and within(imported, place):
            return False
        if within(imported, place):
            return within(module, hal)
    return within(imported, row) or any(within(imported, prefix) for prefix in MAY_IMPORT[row])


def test_every_import_follows_the_table() -> None:
    wrong = [
        f"{name}:{line}: {dotted(name)} may not import {imported}"
        for name in modules("cloudos", "examples")
        for line, imported in imports(name)
        if imported.split(".")[0] in ("cloudos", "examples", "tests") and not allowed(dotted(name), imported)
    ]
    assert wrong == []


def test_every_part_of_the_package_has_its_row() -> None:
    parts = {".".join(dotted(name).split(".")[:2]) for name in modules("cloudos")} - {"cloudos"}
    assert parts <= set(MAY_IMPORT)


def test_the_table_says_what_it_should() -> None:
    good = [
        ("cloudos.kernel.kernel", "cloudos.kernel.hal"),
        ("cloudos.kernel.kernel", "cloudos.abi.errors"),
        ("cloudos.kernel.hal.x86_64.cpu", "cloudos.kernel.hal.x86_64.mmu"),
        ("cloudos.kernel.hal.x86_64.cpu", "cloudos.kernel.hal.interface"),
        ("cloudos.host.run", "cloudos.compiler.api"),
        ("examples.hello", "cloudos.sdk"),
    ]
    bad = [
        ("cloudos.kernel.kernel", "cloudos.kernel.hal.x86_64.cpu"),
        ("cloudos.kernel.hal.shared.virtio", "cloudos.kernel.hal.x86_64.cpu"),
        ("cloudos.kernel.kernel", "cloudos.sdk"),
        ("cloudos.kernel.hal.x86_64.cpu", "cloudos.kernel.hal.aarch64.cpu"),
        ("cloudos.kernel.hal.x86_64.cpu", "cloudos.kernel.kernel"),
        ("cloudos.lang.integers", "cloudos.compiler.check"),
        ("cloudos.compiler.emit", "cloudos.host.state"),
        ("cloudos.sdk.start", "cloudos.kernel"),
        ("examples.hello", "cloudos.abi"),
    ]
    assert [pair for pair in good if not allowed(*pair)] == []
    assert [pair for pair in bad if allowed(*pair)] == []
