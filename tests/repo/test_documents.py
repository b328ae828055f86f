"""Every folder explains itself, and the documents describe the repository that is there."""

from __future__ import annotations

import re
import tomllib

import pytest

from cloudos import __version__
from tests.repo.tree import ROOT, files

FOLDER_LINE = re.compile(r"^- `([\w/.]+)/`: \S.*\.$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")


def folders_of_package() -> set[str]:
    return {name.rsplit("/", 1)[0] for name in files() if name.startswith("cloudos/") and name.endswith(".py")}


def test_every_folder_of_the_package_has_a_readme() -> None:
    missing = {f"{folder}/README.md" for folder in folders_of_package() - {"cloudos"}} - set(files())
    assert missing == set()


def test_no_readme_is_only_a_title() -> None:
    thin = [name for name in files() if name.endswith("README.md") and len((ROOT / name).read_text().split()) < 15]
    assert thin == []


def test_the_map_in_the_readme_shows_the_folders_that_exist() -> None:
    mapped = set(FOLDER_LINE.findall((ROOT / "README.md").read_text()))
    package = {"/".join(folder.split("/")[:2]) for folder in folders_of_package()} - {"cloudos"}
    top = {name.split("/")[0] for name in files() if "/" in name} - {"cloudos", ".ci"}
    assert mapped == package | top


def test_the_architecture_document_has_the_table_of_layers() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    package = {folder.split("/")[1] for folder in folders_of_package() - {"cloudos"}}
    rows = set(re.findall(r"^\| `([a-z]+)", text, re.MULTILINE))
    assert package <= rows


@pytest.mark.parametrize("name", [name for name in files() if name.endswith(".md")])
def test_links_between_documents_lead_somewhere(name: str) -> None:
    targets = [target for target in LINK.findall((ROOT / name).read_text()) if "://" not in target]
    assert [target for target in targets if not ((ROOT / name).parent / target).exists()] == []


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_dependency_has_a_range_and_a_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    project = tomllib.loads("\n".join(lines))["project"]
    extras = [one for listed in project["optional-dependencies"].values() for one in listed]
    for requirement in [*project["dependencies"], *extras]:
        line = next(line for line in lines if f'"{requirement}"' in line)
        assert re.fullmatch(r'    "[\w.-]+>=[\w.]+,<[\w.]+",\s+# [\w`].*', line), line


def test_the_shell_scripts_stay_small() -> None:
    for name, limit in (("bin/cloudos", 60), (".ci/run", 10)):
        assert len((ROOT / name).read_text().splitlines()) <= limit
