"""A scientist's way: JupyterLab in a browser, an example's cells run, its results on the page."""

import secrets
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from localcloud.images import docker
from localcloud.run import free_port
from support.waiting import eventually

pytestmark = pytest.mark.timeout(600)  # the image is built first

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/google-chrome")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-quic"),
)
MINUTE = 60_000  # in milliseconds, as the browser has it


@pytest.fixture
def lab(notebook_image: str, tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab, with its token."""
    token = secrets.token_hex(8)
    (tmp_path / "token").write_text(token)
    port = free_port()
    container = docker(
        *(
            "run",
            "--detach",
            "--network=host",
            f"--env=JUPYTER_PORT={port}",
            "--env=JUPYTER_TOKEN_FILE=/token",
        ),
        *(f"--volume={tmp_path}/token:/token:ro", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
        notebook_image,
    )
    try:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/api/status?token={token}"))
        assert not answers(f"http://127.0.0.1:{port}/api/status")
        yield f"http://127.0.0.1:{port}/lab/tree/examples/first-steps.ipynb?token={token}"
    finally:
        docker("rm", "--force", container)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status == 200
    except OSError:  # it is not there yet, or refuses
        return False


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A page of a real browser, of which a picture is kept."""
    found = next((each for each in CHROMIUM if Path(each).exists()), None)
    assert found, f"no browser at {' or '.join(CHROMIUM)}: install Chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1400, "height": 2400})
        yield page
        page.screenshot(path=tmp_path / "page.png")
        browser.close()


def test_an_example_runs_in_a_browser(lab: str, page: Page):
    page.goto(lab)
    # Cells that are run before the kernel is known to be idle are dropped.
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=MINUTE)
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    page.locator(".lm-Menu-itemLabel").get_by_text("Run All Cells", exact=True).click()
    last = page.locator(".jp-CodeCell").last
    expect(last.locator(".jp-InputPrompt")).to_have_text("[8]:", timeout=MINUTE)
    shown = page.locator(".jp-Notebook")
    expect(shown).to_contain_text("[1] rich: 100.0%")
    expect(shown).to_contain_text("{'short': 0.4444444444444444, 'rich': 1.0, 'poor': 0.0}")
    expect(last).to_contain_text("SUCCEEDED")
    expect(page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']")).to_have_count(0)
