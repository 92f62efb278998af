"""Files beside a job's inputs and outputs: downloads of File, and checkpoints.

Downloads have a process of their own, since a job of a folder store must not load obstore.

checkpoint           a folder that outlives an attempt, in the job's own process
checkpoint_records   how it is kept in the store
fetch                python -m explorer_runner.files.fetch: fetches to the cache, or signs addresses
cache                the cache of a host: shared, locked, bounded, the least recently used goes first
web                  files of web servers

Downloads write to the cache alone.
"""
