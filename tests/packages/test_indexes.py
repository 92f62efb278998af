"""Package indexes: the user's uv configuration, else pip's."""

from pathlib import Path

import pytest

from gencove_explorer.packages.indexes import Indexes


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    """A folder with a pip configuration in it."""
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://me:word@one.example/simple\ncert = /some/bundle\n"
        "[install]\nextra-index-url =\n    https://two.example/simple\n    https://three.example/simple\n"
        "constraint = /some/constraints.txt\n"
    )
    return tmp_path


def indexes(folder: Path, **more: str) -> Indexes:
    variables = {"PIP_CONFIG_FILE": str(folder / "pip.conf"), "XDG_CONFIG_HOME": str(folder), **more}
    return Indexes(variables, folder)


def test_pips_configuration_is_handed_to_uv_with_pips_meaning(configured: Path):
    found = indexes(configured).arguments
    assert found[:2] == ["--default-index", "https://me:word@one.example/simple"]
    extra = [found[place + 1] for place, each in enumerate(found) if each == "--extra-index-url"]
    assert extra[-2:] == ["https://two.example/simple", "https://three.example/simple"]
    assert found[-2:] == ["--index-strategy", "unsafe-best-match"]
    assert indexes(configured).constraints == ["/some/constraints.txt"]
    assert indexes(configured).certificates == "/some/bundle"


def test_variables_of_pip_win_over_its_files(configured: Path):
    assert (
        indexes(configured, PIP_INDEX_URL="https://four.example/s").arguments[1] == "https://four.example/s"
    )
    assert "--no-index" in indexes(configured, PIP_NO_INDEX="1").arguments


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("uv/uv.toml", '[[index]]\nname = "lab"\nurl = "https://lab.example/simple"\n'),
        ("uv/uv.toml", '[pip]\nindex-url = "https://lab.example/simple"\n'),
        ("uv.toml", 'index-url = "https://lab.example/simple"\n'),
        ("pyproject.toml", '[[tool.uv.index]]\nname = "lab"\nurl = "https://lab.example/simple"\n'),
    ],
)
def test_where_uv_names_an_index_pips_are_left_alone(configured: Path, file: str, text: str):
    (configured / "uv").mkdir()
    (configured / file).write_text(text)
    assert indexes(configured).arguments == []
    (configured / file).write_text("native-tls = true\n" if file != "pyproject.toml" else "[tool.ruff]\n")
    assert indexes(configured).arguments != []


def test_a_variable_of_uv_counts_too(configured: Path):
    assert indexes(configured, UV_INDEX="lab=https://lab.example/simple").arguments == []


def test_passwords_are_found_for_the_host_that_they_are_for(configured: Path):
    found = indexes(configured)
    assert found.password("https://one.example/files/a.whl") == ("me", "word")
    assert found.password("http://one.example/files/a.whl") is None
    assert found.password("https://one.example:8443/files/a.whl") is None
    assert found.password("https://two.example/files/a.whl") is None
    named = indexes(
        configured,
        UV_INDEX="my-lab=https://lab.example/simple https://other:secret@other.example/simple",
        UV_INDEX_MY_LAB_USERNAME="scientist",
        UV_INDEX_MY_LAB_PASSWORD="hunter2",
    )
    assert named.password("https://lab.example/a.whl") == ("scientist", "hunter2")
    assert named.password("https://other.example/a.whl") == ("other", "secret")


def test_a_file_that_cannot_be_read_is_left_to_its_owner(configured: Path):
    (configured / "uv.toml").write_text("no = toml = at all")
    (configured / "pip.conf").write_text("index-url = before any section\n")
    assert indexes(configured).password("https://one.example/a.whl") is None
