"""The recipe of a round: all that its jobs share and that can change a result, as digests.

What a job asks of its machine (CPUs, memory, time, retries) is no part of it, and neither is the analysis's
name nor a job's index: an input that moved is still the same input.
"""

import hashlib
import json
from collections.abc import Mapping

from explorer_runner.format.payload import Spec
from gencove_explorer.capture.identity import identity_of
from gencove_explorer.submission.contents import PayloadContents

FILES = "files"
"""The part that says what the files of function and global config held; empty if nobody looked. No part of
the recipe's name, so that a round of which it is not known is found too."""


def parts_of(contents: PayloadContents, spec: Spec) -> dict[str, str]:
    """Name -> digest in hex of each part of a recipe."""
    definition = spec.job_definition
    return {
        "function": identity_of(contents.function).digest.hex(),
        "global_config": identity_of(contents.global_config).digest.hex(),
        "packages": _digest(contents.lock or b""),
        "python": contents.python,
        "image": definition.image or "",
        "environment": _digest_of(
            [sorted(definition.environment.items()), sorted(definition.secrets.items())]
        ),
        "depends_on": _digest_of(sorted((ref.name, ref.kind) for ref in spec.depends_on)),
    }


def shared_files(contents: PayloadContents) -> frozenset[str]:
    """The addresses of files that all jobs have: in the function or the global config."""
    return identity_of(contents.function).addresses | identity_of(contents.global_config).addresses


def files_part(addresses: frozenset[str], versions: Mapping[str, str]) -> str:
    """The part FILES, where somebody has looked."""
    return _digest_of(sorted((address, versions[address]) for address in addresses))


def recipe_of(parts: Mapping[str, str]) -> str:
    """The name under which rounds of these parts are found."""
    return _digest_of(sorted((name, part) for name, part in parts.items() if name != FILES))


def _digest_of(data: object) -> str:
    return _digest(json.dumps(data).encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
