"""What ``explorer doctor`` says of one piece."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One line of the doctor's."""

    piece: str
    ok: bool
    found: str
    mend: str = ""
    """What to do about it; empty where there is nothing to do."""
