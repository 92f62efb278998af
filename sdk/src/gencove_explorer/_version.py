"""The one version of both distributions (they are built from one commit and pin each other)."""

__version__ = "0.1.0"
