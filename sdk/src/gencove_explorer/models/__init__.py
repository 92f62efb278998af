"""What inputs are made of. The classes are the runner's: jobs unpickle them without the SDK."""

from explorer_runner.models import File, Sample
from gencove_explorer.models.sheets import read_samples
from gencove_explorer.utils.progress import show_transfers

__all__ = ["File", "Sample", "read_samples"]

show_transfers()  # a notebook that reads a File shows its progress
