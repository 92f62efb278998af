"""What a work function and its inputs take along to a job, checked while it is pickled.

signature          whether jobs can call a function, its text, and what it captures
magics             what ! and % in a function mean: whose shell it calls, which names it needs
imports            imports inside a function, held against what pip_packages bring
modules            which modules a job will have, and which travel by value
reducers           how objects are pickled that cloudpickle refuses, or carries only in part
pickler            cloudpickle, and a check of everything that a pickle will look up in the job
function_pickler   one work function and what goes with it; errors name the part that is at fault
inputs             inputs, pickled one by one, beyond 1 MiB into a file of the home folder

Nothing here writes to a store.
"""
