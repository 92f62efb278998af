"""The parent of background jobs on this machine: one forked process a job.

The forker stays small, since every fork pays for what it holds.

start            entry point: loads it with the fork hooks of its modules held back
fork_hooks       hooks of modules, registered in each job instead
server           commands in, reports out, one thread: forks, reaps, ends
warm_up          takes a job's path a few times before the first fork
payload_loader   payloads, opened by processes of their own while the forker goes on
rounds           rounds and forked processes, as the forker knows them
children         what a forked process does: an attempt, or the outcome of one that died

Only children write to the store.
"""
