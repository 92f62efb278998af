"""What stands written agrees with what is: links, reference, versions, public names; no machine shows."""

import ast
import importlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import explorer_runner
import gencove_explorer
from gencove_explorer import errors
from gencove_explorer.cli import explorer
from gencove_explorer.settings import Settings

ROOT = Path(__file__).parents[2]
ALL = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    if (ROOT / name).is_file()
]
"""All files of the repository: those that git has, and those that it would be given next."""
FILES = [path for path in ALL if not path.is_relative_to(ROOT / "tests" / "data")]
PAGES = [path for path in FILES if path.suffix == ".md"]
REFERENCE = ROOT / "docs" / "reference.md"
PUBLIC = ("gencove_explorer.analysis", "gencove_explorer.job_manager", "gencove_explorer.models")
WITH_NAMES = (*PUBLIC, "gencove_explorer", "gencove_explorer.errors", "gencove_explorer.cli")
EXAMPLES = [ROOT / name for name in ("README.md", "docs/running-analyses.md", "docs/tutorial.md")]

_FENCED = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(<?([^)\s>]+)|^\[[^\]]+\]: +(\S+)", re.MULTILINE)
_PRIVATE = {
    "a package index": re.compile(r"\b(pypi|pythonhosted)\.org\b"),
    "an option of an index": re.compile(r"^\s*(--)?(extra-index-url|index-url|find-links|trusted-host)\b"),
    "somebody's folder": re.compile(r"(?<![\w.}~-])/(home(?!/explorer)|Users|root|work)\b(?!-)"),
}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# -- links ------------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them: a second one of the same words gets ``-1``."""
    seen: Counter[str] = Counter()
    for heading in re.findall(r"^#+ (.*)$", _FENCED.sub("", text), re.MULTILINE):
        words = re.sub(r"\]\([^)]*\)", "", heading)
        slug = re.sub(r"[^\w\- ]", "", words).strip().lower().replace(" ", "-")
        seen[slug] += 1
    return {f"{slug}-{n}" if n else slug for slug, count in seen.items() for n in range(count)}


def links(text: str) -> Iterator[tuple[str, str]]:
    """File and anchor of each link that leads nowhere outside."""
    for found in _LINK.finditer(re.sub(r"`[^`\n]*`", "", _FENCED.sub("", text))):
        link = found[1] or found[2]
        if not re.match(r"[a-z]+:", link):
            target, _, anchor = link.partition("#")
            yield target, anchor


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_within_the_repository_lead_somewhere(page: Path):
    for target, anchor in links(page.read_text()):
        found = (page.parent / target).resolve() if target else page
        assert any(found in (path, *path.parents) for path in ALL), f"no file {target}"
        assert not anchor or anchor in anchors(found.read_text()), f"no heading {target}#{anchor}"


def test_dead_links_are_found():
    code = "```\n# no\n[no](no)\n```\n`[no](no)`"
    page = f"# One `two`\n## One two\n{code} [a](b.md#c), <https://x> [u](https://x)\n[d]: e"
    assert list(links(page)) == [("b.md", "c"), ("e", "")]
    assert anchors(page) == {"one-two", "one-two-1"}


def test_every_decision_is_listed():
    folder = ROOT / "docs" / "adr"
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("0*.md"))


def test_files_that_the_code_refers_to_exist():
    for path in FILES:
        if path.suffix in (".py", ".toml", ".yml") or path.name == "Makefile":
            for target in re.findall(r"\bdocs/[\w/.-]+\.(?:md|py)", path.read_text()):
                assert (ROOT / target).exists(), f"{name(path)} refers to {target}"


# -- reference and versions -------------------------------------------------------------------------


def test_the_reference_is_current():
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "reference.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_reference_has_everything_public():
    page = REFERENCE.read_text()
    names = [each for module in PUBLIC for each in importlib.import_module(module).__all__]
    assert {*names} <= {*re.findall(r"^### (\w+)$", page, re.MULTILINE)}
    assert {*errors.__all__} <= {*re.findall(r"^[ │├└─]*(\w+) ", page, re.MULTILINE)}
    assert {setting for setting, _, _ in Settings.load({}, ROOT).items()} <= {
        *re.findall(r"`([\w.]+)`", page)
    }
    assert {*explorer.commands} <= {*re.findall(r"^### explorer (\w+)$", page, re.MULTILINE)}


def test_versions_agree():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    unreleased, *released = re.findall(r"^## (.*)$", changelog, re.MULTILINE)
    assert unreleased == "[Unreleased]"
    parts = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", each) for each in released]
    assert all(parts), released
    newest = parts[0][1]
    assert explorer_runner.__version__ == gencove_explorer.__version__ == newest
    assert f'"explorer-runner=={newest}"' in (ROOT / "sdk" / "pyproject.toml").read_text()


# -- public names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("module", WITH_NAMES)
def test_all_names_what_there_is(module: str):
    loaded = importlib.import_module(module)
    assert [each for each in loaded.__all__ if not hasattr(loaded, each)] == []
    assert len({*loaded.__all__}) == len(loaded.__all__)


def imported(page: Path) -> Iterator[tuple[str, str]]:
    """Module and name of each import from the SDK in a page's blocks of Python."""
    for code in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gencove_explorer"):
                yield from ((node.module or "", each.name) for each in node.names)


@pytest.mark.parametrize("page", EXAMPLES, ids=name)
def test_pages_import_public_names_only(page: Path):
    found = set(imported(page))
    assert found
    private = [
        (module, each) for module, each in found if each not in importlib.import_module(module).__all__
    ]
    assert private == []


def test_every_public_name_has_a_docstring():
    for module in PUBLIC:
        loaded = importlib.import_module(module)
        for public in loaded.__all__:
            member = getattr(loaded, public)
            assert member.__doc__, public
            methods = [(key, own) for key, own in vars(member).items() if not key.startswith("_")]
            shown = [(key, own) for key, own in methods if callable(own) or isinstance(own, property)]
            assert [key for key, own in shown if not own.__doc__] == [], public


# -- nothing of one machine -------------------------------------------------------------------------


def private(text: str) -> list[str]:
    """What is in a text that holds on one machine only, with its line."""
    lines = enumerate(text.splitlines(), start=1)
    return [
        f"line {number}: {what}"
        for number, line in lines
        for what, rule in _PRIVATE.items()
        if rule.search(line)
    ]


def test_no_file_names_an_index_or_somebodys_folder():
    found = {}
    for path in FILES:
        try:
            found[name(path)] = private(path.read_text())
        except UnicodeDecodeError:
            continue  # no text
    assert {key: lines for key, lines in found.items() if lines} == {}


def test_private_lines_are_found():
    folder, index = "/".join(["", "home", "ada", "x"]), ".".join(["pypi", "org"])
    assert private(f"see {folder}\n") == ["line 1: somebody's folder"]
    assert private(f"\n--index-url https://mirror/simple\nhttps://{index}/simple\n") == [
        "line 2: an option of an index",
        "line 3: a package index",
    ]
    assert private("~/x a/home/b {tmp}/work/x https://host/home/x .work/x '--index-url=x'\n") == []


def test_requirements_are_hashed_and_name_no_index():
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "--hash=sha256:" in text
        assert not re.search(r"^\s*(-i|--index|--extra-index|--find-links|-f)\b|://", text, re.MULTILINE), (
            path
        )
