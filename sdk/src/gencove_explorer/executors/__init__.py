"""Where jobs run. Results never pass through an executor: jobs write them to the store.

base         the protocol: resolve a definition, submit a round, states of open jobs, terminate, logs
log_reader   readers of logs that may still grow
host         what local and foreground share: this machine, its Python, processes and claims
local        background jobs on this machine, with AWS Batch's semantics
foreground   run_local: jobs in the foreground, as processes or containers
batch        AWS Batch

local, foreground and batch do not know each other. Each writes the index record of what it accepted, and
closed records for jobs that will never start.
"""
