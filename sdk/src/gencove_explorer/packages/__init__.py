"""pip_packages: from what a user writes to wheels in the store and a lock that names them.

requirements   what was written, checked
resolve        by uv, with the user's indexes, into exact versions
wheels         one wheel for each, downloaded or built, by content
locks          the lock that travels with the payload; its wheels put into the store
"""

from gencove_explorer.packages.locks import lock, publish
from gencove_explorer.packages.requirements import check_requirements

__all__ = ["check_requirements", "lock", "publish"]
