"""Downloads of File, in a process of their own, since a job of a folder store must not load obstore.

fetch   python -m explorer_runner.files.fetch: brings files into the host's cache, or signs their addresses
cache   the cache of a host: shared, locked, bounded, the least recently used goes first
web     files of web servers

They write to the cache alone.
"""
