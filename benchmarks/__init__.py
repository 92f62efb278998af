"""Benchmarks: ``python -m benchmarks NAME`` prints one line of JSON.

Each measures the same work done by the bare system in the same run (``floor``), because absolute
times on a shared machine say little; ``ratio`` is what to compare.
"""
