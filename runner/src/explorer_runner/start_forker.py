"""Entry point of the forker: loads it with the fork hooks of its modules held back."""

from explorer_runner.fork_hooks import held_back

with held_back():
    from explorer_runner.forker import main

__all__ = ["main"]
