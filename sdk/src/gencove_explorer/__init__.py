"""Explorer: run Python analyses on this machine or on AWS Batch.

Import from ``gencove_explorer.analysis``, ``gencove_explorer.job_manager`` and
``gencove_explorer.models``.
"""

from gencove_explorer._version import __version__

__all__ = ["__version__"]
