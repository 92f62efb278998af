"""What inputs are made of. The classes are the runner's: jobs unpickle them without the SDK."""

from explorer_runner.models import File, Sample

__all__ = ["File", "Sample"]
