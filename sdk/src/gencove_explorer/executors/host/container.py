"""What a job's container is like, on AWS Batch as with run_local(container=True) on this machine."""

from gencove_explorer._version import __version__

DISK = "/explorer"
"""Where jobs see the disk for scratch, package environments and the file cache."""


def default_tag(python: str) -> str:
    """The tag of this version's runner image for a Python, such as ``3.11``."""
    return f"{__version__}-py{python}"
