"""Who uses this machine."""

import getpass
import os


def user_name() -> str:
    """Who submits: the login name, or the user's number where it has none (containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
