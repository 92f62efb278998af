"""Entry point of the forker: loads it with the fork hooks of its modules held back."""

from explorer_runner.forker.fork_hooks import held_back

with held_back():
    from explorer_runner.forker.server import main

__all__ = ["main"]
