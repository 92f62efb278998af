"""What stands written agrees with what is: links, reference, versions, public names."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import explorer_runner
import gencove_explorer

ROOT = Path(__file__).parents[2]
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    if not name.startswith("tests/data/")
]
PAGES = [path for path in TRACKED if path.suffix == ".md"]
PUBLIC = ("gencove_explorer.analysis", "gencove_explorer.job_manager", "gencove_explorer.models")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_within_the_repository_lead_somewhere(page: Path):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), link
        assert found.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(found), link


def test_every_decision_is_listed():
    folder = ROOT / "docs" / "adr"
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("0*.md"))


def test_files_that_the_code_refers_to_exist():
    for path in TRACKED:
        if path.suffix in (".py", ".toml", ".yml") or path.name == "Makefile":
            for target in re.findall(r"\bdocs/[\w/.-]+\.(?:md|py)", path.read_text()):
                assert (ROOT / target).exists(), f"{name(path)} refers to {target}"


def test_the_reference_is_current():
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "reference.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_versions_agree():
    released = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert explorer_runner.__version__ == gencove_explorer.__version__ == released[0]
    assert (
        f'"explorer-runner=={explorer_runner.__version__}"' in (ROOT / "sdk" / "pyproject.toml").read_text()
    )


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_complete(module: str):
    loaded = importlib.import_module(module)
    assert all(hasattr(loaded, each) for each in loaded.__all__)
    for page in (ROOT / "docs" / "running-analyses.md", ROOT / "docs" / "tutorial.md", ROOT / "README.md"):
        for code in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.ImportFrom) and node.module == module:
                    assert {each.name for each in node.names} <= set(loaded.__all__), page


def test_every_public_name_has_a_docstring():
    for module in PUBLIC:
        loaded = importlib.import_module(module)
        for public in loaded.__all__:
            member = getattr(loaded, public)
            assert member.__doc__, public
            methods = [each for each in vars(member).items() if not each[0].startswith("_")]
            without = [key for key, own in methods if callable(own) and not own.__doc__]
            assert not without, public


def test_requirements_are_hashed_and_name_no_index():
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "--hash=sha256:" in text
        assert not re.search(r"^\s*(-i|--index|--extra-index|--find-links|-f)\b|://", text, re.MULTILINE), (
            path
        )
