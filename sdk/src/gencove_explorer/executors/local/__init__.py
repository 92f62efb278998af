"""The local executor: AWS Batch's semantics on one machine.

    client.py     what a notebook does: submit, describe, terminate, start the scheduler
    queue.py      the folder between them: entries, requests, the bell, the lock
    scheduler.py  the background process: dependencies, slots, retries; starts forkers
    troubles.py   steps that failed for one round, to be taken again
    ledger.py     the scheduler's view of the stores; recovery.py: what it reads back from them
    lost.py       rounds that no queue has
    rounds.py     a round in the scheduler's memory
    slots.py      who may run how many jobs at once
    forkers.py    the scheduler's side of explorer_runner.forker.server
    watch.py      what runs: adopted, kept to its limits, ended
    adopted.py    jobs that go on although their forker is gone
    limits.py     memory, time and logs of running jobs
    processes.py  processes seen from outside: memory, ends, whose a log is
    runtime.py    the Python that jobs run in; libraries.py: IPython for those that call it
    places.py     folders that are made once and shared

All state is in files: the queue's entries here, everything else in the store. The scheduler's memory
is rebuilt from them whenever it starts, so it may be killed at any time.
"""
