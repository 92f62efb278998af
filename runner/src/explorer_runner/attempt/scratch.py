"""What killed jobs left on a host: found by the next one that starts there, and removed.

Below the folder for scratch, whose jobs' logs go to the store at their end:

<nonce>.<index>.<round>-<attempt>[.files]        folders of an attempt; the nonce is the analysis's, cut
<analysis>.logs/<index>.<round>-<attempt>.txt    its claim, locked while it lives, and log
"""

import os

from explorer_runner.attempt import claim
from explorer_runner.format.names import parse_id
from explorer_runner.system import temp_folder
from explorer_runner.system.folders import remove_tree

_LOGS = ".logs"
_NONCE_LENGTH = 12


def attempt_folder(scratch: str, analysis: str, stem: str) -> str:
    """The folder of an attempt. Its path is short: on AWS Batch it serves as TMPDIR itself (temporary)."""
    return f"{scratch}/{parse_id(analysis).nonce[:_NONCE_LENGTH]}.{stem}"


def logs_folder(scratch: str, analysis: str) -> str:
    """Where the attempts of an analysis on this host are claimed."""
    return f"{scratch}/{analysis}{_LOGS}"


def sweep(scratch: str) -> None:
    """Remove what attempts left whose runners were killed."""
    for folder in _names(scratch):
        if folder.endswith(_LOGS):
            for log in _names(f"{scratch}/{folder}"):
                path = f"{scratch}/{folder}/{log}"
                if log.endswith(".txt") and claim.inspect(path) is claim.ClaimState.GONE:
                    attempt = attempt_folder(scratch, folder.removesuffix(_LOGS), log.removesuffix(".txt"))
                    remove_tree(attempt)
                    remove_tree(f"{attempt}.files")
                    forget(f"{scratch}/{folder}", path)
    temp_folder.sweep()


def forget(folder: str, log: str) -> None:
    """Remove the claim of an attempt that has ended, and its folder if that was the last one."""
    for remove, path in ((os.unlink, log), (os.rmdir, folder)):
        try:
            remove(path)
        except OSError:
            pass  # siblings are in it, or another sweep was faster


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
