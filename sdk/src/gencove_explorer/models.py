"""What inputs are made of. The classes are the runner's: jobs unpickle them without the SDK."""

from explorer_runner.models import File, Sample
from gencove_explorer.sheets import read_samples

__all__ = ["File", "Sample", "read_samples"]
