"""The local executor: AWS Batch's semantics on one machine.

executor      the protocol: submit, states, terminate, logs; starts the scheduler
queue         the folder between them: entries, requests, the wake pipe, the lock
scheduler     the background process: dependencies, capacity, retries; starts forkers
backoff       steps that failed for one round, to be tried again
progress      the scheduler's view of the stores; recovery: what it reads back from them after a start
rounds        a round in the scheduler's memory, without I/O
capacity      who may run how many jobs at once: arithmetic
forkers       the scheduler's side of explorer_runner.forker
monitor       what runs: limits, orphaned jobs, the end of jobs
orphans       jobs that run although their forker is gone
limits        memory, time and logs of running jobs
lost_rounds   rounds that are in no queue: their open jobs are closed
sweeper       what killed processes left behind

All state is in files: the queue's entries here, everything else in the store. The scheduler's memory is
rebuilt from them whenever it starts, so it may be killed at any time. executor writes entries and requests,
scheduler and progress closed records, sweeper removes; the others only read.
"""
