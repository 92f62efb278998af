"""What pip_packages takes, and what it refuses before anything is done."""

from pathlib import Path

import pytest

from explorer_runner.errors import PackageError
from gencove_explorer.packages.requirements import check_requirements, folder_of, names_files


@pytest.mark.parametrize(
    "requirement",
    [
        "pandas",
        " scikit-learn>=1.5,<2 ",
        "httpx[http2]; python_version > '3'",
        "lab @ https://host.example/lab-1.0-py3-none-any.whl",
        "git+https://host.example/lab.git@v1#subdirectory=python",
        "git+ssh://git@host.example/lab.git",
        "lab @ git+ssh://git@host.example/lab.git@main",
    ],
)
def test_what_pip_takes_is_taken(requirement: str):
    assert check_requirements([requirement]) == [requirement.strip()]
    assert folder_of(requirement.strip()) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("pandas", "use a list of strings"),
        (["pandas", 1], "pip_packages has 1: use what pip takes"),
        (["pandas\nnumpy"], "use what pip takes"),
        (["--index-url=https://host.example"], "it takes -e, -r and -c"),
        (["-r absent.txt"], "there is no such file in"),
        (["./absent"], "there is no folder"),
        (["-e absent"], "there is no folder"),
        (["."], "is no Python project"),
        (["lab\x1b[31m"], "use what pip takes"),
        (["x" * 20_000], "use what pip takes"),
        (["git+https://me:hunter2@host.example/lab.git"], "would be stored with the analysis"),
        (["lab @ https://token@host.example/lab.whl"], "would be stored with the analysis"),
    ],
)
def test_what_it_does_not_take_is_refused(
    given: object, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PackageError, match=said) as refused:
        check_requirements(given)
    assert "hunter2" not in str(refused.value)


def test_folders_are_told_from_files_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    project = tmp_path / "lab"
    project.mkdir()
    (project / "pyproject.toml").touch()
    (tmp_path / "lab-1-py3-none-any.whl").touch()
    for text in ("./lab", "-e ./lab", "-e lab", "--editable=./lab", str(project), "./x/../lab"):
        found = folder_of(text)
        assert found is not None
        assert (found.path, found.extras, found.marker) == (project, "", "")
    assert folder_of("./lab[plots] ; python_version > '3'") == (project, "[plots]", "; python_version > '3'")
    assert folder_of("lab") is None
    assert folder_of("./lab-1-py3-none-any.whl") is None


def test_what_may_change_without_its_text_changing_is_known():
    assert all(
        names_files(each)
        for each in (
            "./lab",
            "/x/lab",
            "~/lab",
            "-r a.txt",
            "-c a.txt",
            "git+https://h/x",
            "a @ file:///x",
            "a @ ./x",
        )
    )
    assert not any(
        names_files(each) for each in ("pandas", "a @ https://host/a-1-py3-none-any.whl", "a[b]>=1.0")
    )
