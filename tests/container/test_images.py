"""The images: what is in them, who runs, and that tools can be added."""

import os
import subprocess
from pathlib import Path

import pytest

from explorer_runner.format.payload import python_minor
from gencove_explorer import __version__
from gencove_explorer.analysis import Analysis, JobDefinition
from gencove_explorer.monitoring.lookup import find_analysis
from gencove_explorer.session import Session
from localcloud.images import ROOT, docker, id_of
from localcloud.provision import open_client, push
from localcloud.run import RunningCloud


def test_the_runner_image_says_what_it_is_and_holds_what_jobs_need(runner_image: str):
    labels = docker("image", "inspect", "--format", "{{json .Config.Labels}}", runner_image)
    assert f'"explorer.version":"{__version__}"' in labels
    assert f'"explorer.python":"{python_minor()}"' in labels
    inside = docker(
        "run", "--rm", runner_image, "sh", "-c", "id -u; uv --version; ls $EXPLORER_SHELL; explorer-runner -h"
    )
    assert inside.startswith("1000\nuv ")
    assert "IPython" in inside
    assert "--digest" in inside
    found = docker("run", "--rm", runner_image, "python", "-c", "import sys; print(sys.path)", check=True)
    assert "dist-packages" not in found
    for module in ("gencove_explorer", "boto3", "IPython", "pip"):
        missing = docker("run", "--rm", runner_image, "python", "-c", f"import {module}", check=False)
        assert missing == ""


def test_it_works_with_a_read_only_root(
    container_home: Path, runner_image: str, docker_compose_project_name: str, tmp_path: Path
):
    def work(ac):
        ac.output.file("note").as_local().write_text("written")

    an = Analysis(
        function=work, pip_packages=["six"], job_definition=JobDefinition(cpu=1000)
    )  # waits for ever
    an.run()
    (record,) = find_analysis(Session(), an.id).rounds
    tmp_path.chmod(0o777)
    given = {
        "EXPLORER_STORE": os.environ["EXPLORER_STORE"],
        "EXPLORER_ANALYSIS": an.id,
        "EXPLORER_DIGEST": record.payload,
        "EXPLORER_DISK": "/explorer",
        "AWS_ENDPOINT_URL": "http://cloud:5000",
        **{name: os.environ[name] for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
    }
    docker(
        *("run", "--rm", "--read-only", f"--network={docker_compose_project_name}"),
        *(f"--env={name}={value}" for name, value in given.items()),
        *(f"--volume={tmp_path}:/explorer", runner_image),
    )
    assert an.get_output().file("note").as_local().read_text() == "written"
    an.terminate_all()


def test_a_tag_is_never_overwritten(runner_image: str, base_image: str):
    repository, tag = runner_image.split(":")

    def build(base: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "images/build.sh", repository, python_minor(), tag],
            env={**os.environ, "BASE_IMAGE": base, "DOCKER_BUILDKIT": "0"},
            capture_output=True,
            text=True,
        )

    before = id_of(runner_image)
    assert "is there already" in build(base_image).stdout
    other = build("other-base")
    assert other.returncode == 1
    assert "never overwritten" in other.stderr
    assert id_of(runner_image) == before


@pytest.fixture(scope="session")
def samtools_image(runner_image: str) -> str:
    docker(
        *("build", "--quiet", "--tag", "explorer-samtools"),
        *("--build-arg", f"RUNNER_IMAGE={runner_image}", ROOT / "images" / "samtools"),
    )
    return "explorer-samtools"


def test_tools_are_added_in_an_image_of_ones_own(
    container_home: Path, container_cloud: RunningCloud, samtools_image: str
):
    open_client("ecr", container_cloud.endpoint).create_repository(repositoryName="samtools")
    push(container_cloud.endpoint, "1", id_of(samtools_image), repository="samtools")
    repository = container_cloud.variables["EXPLORER_BATCH__IMAGE"].replace("explorer-runner", "samtools")

    def work(ac):
        import subprocess

        header = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:1000\n"
        read = "read1\t0\tchr1\t{}\t60\t4M\t*\t0\t0\tACGT\tIIII\n"
        with open("reads.sam", "w") as file:
            file.write(header + read.format(300) + read.format(100))
        bam = ac.output.file("sorted.bam").as_local()
        subprocess.run(["samtools", "sort", "-o", bam, "reads.sam"], check=True)
        subprocess.run(["samtools", "index", bam], check=True)
        found = subprocess.run(
            ["samtools", "view", bam, "chr1:1-200"], check=True, capture_output=True, text=True
        )
        ac.output.value("found", found.stdout.split("\t")[3])

    image = f"{repository}:1"
    an = Analysis(function=work, job_definition=JobDefinition(cpu=1, memory_mb=300, image=image))
    an.run()
    an.wait_done(timeout=120)
    assert an.status() == {"status": "SUCCEEDED"}
    assert an.values("found") == ["100"]
