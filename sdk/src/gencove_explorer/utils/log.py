"""Log lines as the description shows them, on standard error, without touching anybody's logging."""

import logging
import sys

_FORMAT = "%(asctime)s.%(msecs)03d | %(levelname)s | %(name)s:%(funcName)s:%(lineno)d - %(message)s"


class _StandardError(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to whatever standard error is now: a notebook replaces it in each cell."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> object:
        return sys.stderr


def get_logger(name: str) -> logging.Logger:
    """The logger of a module; the package's own handler is added unless somebody set one up."""
    package = logging.getLogger("gencove_explorer")
    if not package.handlers:
        handler = _StandardError()
        handler.setFormatter(logging.Formatter(_FORMAT, datefmt="%Y-%m-%d %H:%M:%S"))
        package.addHandler(handler)
        package.setLevel(logging.INFO)
        package.propagate = False
    return logging.getLogger(name)
