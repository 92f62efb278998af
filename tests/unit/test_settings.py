"""Settings: where each comes from, and what is said of one that cannot be."""

from pathlib import Path

import pytest

from gencove_explorer.errors import ConfigError
from gencove_explorer.settings import Settings, machine_cpus, machine_memory_mb


def load(folder: Path, **variables: str) -> Settings:
    return Settings.load({"XDG_CONFIG_HOME": str(folder / "config"), **variables}, folder)


def test_defaults(tmp_path: Path):
    settings = load(tmp_path)
    assert settings.home == Path.home() / ".explorer"
    assert settings.store == settings.local_store == str(Path.home() / ".explorer" / "store")
    assert (settings.executor, settings.cpus, settings.memory_mb) == (
        "local",
        machine_cpus(),
        machine_memory_mb(),
    )
    assert {source for _, _, source in settings.items()} == {"default"}


def test_the_environment_wins_over_the_nearest_file_and_that_over_the_users(tmp_path: Path):
    user = tmp_path / "config" / "explorer"
    user.mkdir(parents=True)
    (user / "explorer.toml").write_text('cpus = 1\nmemory_mb = 100\nproject = "user"\n[batch]\nimage = "i"\n')
    (tmp_path / "explorer.toml").write_text('memory_mb = 200\nproject = "near"\n[batch]\nlog_group = "g"\n')
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    settings = Settings.load({"XDG_CONFIG_HOME": str(tmp_path / "config"), "EXPLORER_PROJECT": "env"}, deep)
    assert (settings.cpus, settings.memory_mb, settings.project) == (1, 200, "env")
    assert (settings.batch.image, settings.batch.log_group) == ("i", "g")
    assert settings.source("cpus") == str(user / "explorer.toml")
    assert settings.source("memory_mb") == str(tmp_path / "explorer.toml")
    assert settings.source("project") == "EXPLORER_PROJECT"
    assert settings.source("batch.image") == str(user / "explorer.toml")


def test_a_queue_makes_batch_the_executor(tmp_path: Path):
    assert load(tmp_path, EXPLORER_BATCH__QUEUE="q").executor == "batch"
    assert load(tmp_path, EXPLORER_BATCH__QUEUE="q", EXPLORER_EXECUTOR="local").executor == "local"


def test_paths_are_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    settings = load(tmp_path, EXPLORER_HOME="~/x", EXPLORER_STORE="here/store")
    assert settings.home == tmp_path / "x"
    assert settings.store == str(tmp_path / "here" / "store")
    on_s3 = load(tmp_path, EXPLORER_HOME="~/x", EXPLORER_STORE="s3://bucket/prefix/")
    assert on_s3.store == "s3://bucket/prefix"
    assert on_s3.local_store == str(tmp_path / "x" / "store")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"EXPLORER_CPUS": "two"}, r"cpus \(EXPLORER_CPUS\) is 'two'"),
        ({"EXPLORER_CPUS": "0"}, "use a whole number from 1"),
        ({"EXPLORER_MEMORY_MB": "10"}, "use a whole number from 64"),
        ({"EXPLORER_EXECUTOR": "slurm"}, "use one of local, batch"),
        ({"EXPLORER_STORE": "gs://bucket"}, "use s3://bucket/prefix or a folder"),
        ({"EXPLORER_STORE": "s3://"}, "use s3://bucket/prefix or a folder"),
        ({"EXPLORER_IDLE_SECONDS": "-1"}, "use a number above 0"),
    ],
)
def test_values_that_cannot_be(tmp_path: Path, variables: dict[str, str], message: str):
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, **variables)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cpu = 1", "cpu is not a setting; did you mean cpus?"),
        ("[batch]\nqueu = 'x'", "batch.queu is not a setting; did you mean batch.queue?"),
        ("zzz = 1", "zzz is not a setting; there are: home, executor"),
        ("cpus = ", "explorer.toml: Invalid value"),
        ("cpus = true", "use a whole number"),
        ("home = 3", "use a text"),
        ("batch = 3", r"batch is a table, written \[batch\]"),
        ("cpus = 10000000000000000000000", "from 1 to 100,000"),
        ("idle_seconds = nan", "above 0"),
        ("idle_seconds = inf", "above 0"),
        (f"idle_seconds = 1{'0' * 400}", "too large"),
        ('home = "a\\u0000b"', "control character"),
        (f"cpus = {'[' * 20_000}", "nested too deeply"),
        (f"{'x' * 5000} = 1", "xxx is not a setting"),
        ("#" * (2 << 20), "bytes, and at most 1,048,576 are read"),
    ],
)
def test_files_that_cannot_be(tmp_path: Path, text: str, message: str):
    (tmp_path / "explorer.toml").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load(tmp_path)
    assert "explorer.toml" in str(caught.value)


def test_a_file_that_is_not_utf8_says_which_line(tmp_path: Path):
    (tmp_path / "explorer.toml").write_bytes(b"cpus = 1\n# \xff\n")
    with pytest.raises(ConfigError, match=r"explorer\.toml: line 2: this is not UTF-8"):
        load(tmp_path)


def test_variables_of_others_are_left_alone(tmp_path: Path):
    assert load(tmp_path, EXPLORER_WINDOW_SIZE="3", EXPLORER_="x", EXPLORER_CPUS="").cpus == machine_cpus()


def test_the_project_is_named_after_the_git_remote_else_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import subprocess

    repository = tmp_path / "folder"
    repository.mkdir()
    monkeypatch.chdir(repository)
    assert load(repository).project_name == "folder"
    subprocess.run(["git", "init", "-q"], check=True)
    assert load(repository).project_name == "folder"
    subprocess.run(["git", "remote", "add", "origin", "git@example.org:team/analyses.git"], check=True)
    assert load(repository).project_name == "analyses"
    assert load(repository, EXPLORER_PROJECT="given").project_name == "given"


def test_folders_in_a_file_are_meant_from_that_file(tmp_path: Path):
    (tmp_path / "explorer.toml").write_text('home = "h"\nstore = "s3://bucket/x"\n')
    deep = tmp_path / "deep"
    deep.mkdir()
    assert load(deep).home == load(tmp_path).home == tmp_path / "h"
    assert load(deep).store == "s3://bucket/x"


def test_a_variable_that_is_nearly_a_setting_is_a_slip(tmp_path: Path):
    for wrong, meant in {
        "EXPLORER_STROE": "STORE",
        "EXPLORER_BATCH_QUEUE": "BATCH__QUEUE",
        "EXPLORER_CPU": "CPUS",
    }.items():
        with pytest.raises(ConfigError, match=f"{wrong} is no setting; did you mean EXPLORER_{meant}"):
            Settings.load({wrong: "x"}, tmp_path)
    for other in (
        "EXPLORER_CREDENTIALS",
        "EXPLORER_DIGEST",
        "EXPLORER_ROUND",
        "EXPLORER_INDEX",
        "EXPLORER_X",
    ):
        Settings.load({other: "x"}, tmp_path)
