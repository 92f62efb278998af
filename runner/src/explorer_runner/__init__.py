"""What happens inside an Explorer job, and the contract between it and the SDK."""

from explorer_runner._version import __version__

__all__ = ["__version__"]
