"""What advice names: how a package was installed here."""

import json
from pathlib import Path

import pytest

from gencove_explorer.capture.modules import requirement_of

DIRECT = {
    "fromgit": {"url": "https://git.example/r", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
    "fromfile": {"url": "https://files.example/x-1.0.whl", "archive_info": {}},
    "fromfolder": {"url": "file:///some/a%20project", "dir_info": {"editable": True}},
    "fromindex": None,
}
REQUIREMENTS = {
    "fromgit": "fromgit @ git+https://git.example/r@abc",
    "fromfile": "fromfile @ https://files.example/x-1.0.whl",
    "fromfolder": "/some/a project",
    "fromindex": "fromindex==1.0",
}


@pytest.mark.parametrize("name", DIRECT)
def test_advice_says_where_a_package_was_installed_from(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """PEP 610: a version alone would send people to whatever an index has under that name."""
    info = tmp_path / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    if DIRECT[name] is not None:
        (info / "direct_url.json").write_text(json.dumps(DIRECT[name]))
    monkeypatch.syspath_prepend(tmp_path)
    assert requirement_of(name) == REQUIREMENTS[name]
