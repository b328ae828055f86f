"""Every utility has a manual page, every page has a utility, and all pages have the same sections."""

from __future__ import annotations

import re

import pytest

from cloudos.apps.administration.table import NAMES
from cloudos.apps.toolbox.table import UTILITIES
from tests.repo.tree import ROOT, files

SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS"]
WITHOUT_TABLE = {"sh"}
"""Pages of programs that are not one of several."""

PAGES = {path.removeprefix("docs/man/").removesuffix(".md"): path for path in files() if path.startswith("docs/man/")}


def test_every_utility_has_a_page_and_every_page_a_utility() -> None:
    utilities = {*NAMES, *UTILITIES}
    assert sorted(utilities - set(PAGES)) == []
    assert sorted(set(PAGES) - utilities - WITHOUT_TABLE - {"README"}) == []


def test_no_name_is_in_both_programs() -> None:
    assert sorted(set(NAMES) & set(UTILITIES)) == []


@pytest.mark.parametrize("name", sorted(set(PAGES) - {"README"}))
def test_a_page_has_its_sections_and_says_what_the_utility_is(name: str) -> None:
    text = (ROOT / PAGES[name]).read_text()
    lines = text.splitlines()
    headings = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert lines[0] == f"# {name}"
    assert [heading for heading in headings if heading in SECTIONS] == SECTIONS
    parts = re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]
    assert [heading for heading, part in zip(headings, parts, strict=True) if not part.strip()] == []
    assert re.fullmatch(rf"{re.escape(name)} - \S.*\S", parts[0].strip())
    synopsis = [line.strip() for line in parts[1].splitlines() if line.strip()]
    assert [line for line in synopsis if line.split()[0] != name] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_the_options_that_the_utility_knows(name: str) -> None:
    """The letters that the utility parses are those that its OPTIONS describe."""
    text = (ROOT / PAGES[name]).read_text()
    described = set(re.findall(r"`-(\w)", text.split("## OPTIONS")[1].split("## EXIT STATUS")[0]))
    assert described == letters(name)


def letters(name: str) -> set[str]:
    """The options in the `parse(arguments, "...")` of the function behind a utility."""
    import inspect

    from cloudos.apps.administration.table import UTILITIES as FUNCTIONS

    if name == "kill":
        return {"s", "l", "N"}  # it takes names of signals as options, and parses them itself
    found = re.search(r'parse\(arguments, "([\w:]*)"\)', inspect.getsource(FUNCTIONS[name]))
    return set(found.group(1).replace(":", "")) if found else set()
