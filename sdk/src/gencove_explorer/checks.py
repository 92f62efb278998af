"""What ``explorer doctor`` says of one piece."""

from dataclasses import dataclass

CHECK_SECONDS = 10.0
"""For how long a store that is being looked at may be out of order."""


@dataclass(frozen=True)
class Check:
    """One line of the doctor's."""

    piece: str
    ok: bool
    found: str
    mend: str = ""
    """What to do about it; empty where there is nothing to do."""
