"""One attempt at one job.

claim               at most once, a sign of life, and the log, in one file
environment         the packages of the job, built once on a host, and its variables
startup_variables   variables that a process reads when it starts
main_module         the job's __main__: what came along with the work function
execute             unpickles, calls the work function, publishes outputs and, last, the outcome
failure             an exception as text that points at the user's line
report              what a child tells its parent
checkpoints         what becomes of a checkpoint at an attempt's end
output_pump         the parent's side of a running child: output, limits, the end
grace               the end of a container after SIGTERM
log_file            logs: bounded, with the time of each part
scratch             what killed jobs left on a host
direct              an attempt in one process: background jobs with a folder store
supervised          an attempt by a parent and a child: containers, run_local, stores on S3
supervised_child    the child of that
batch_exit          what AWS Batch is told by the exit code

execute, checkpoints, direct and supervised write to the store.
"""
