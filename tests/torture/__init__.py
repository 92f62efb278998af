"""Bad days for the local executor, one after the other, and what must hold at the end of each.

An episode is a home folder of its own in one of three scenes (a folder store, a small disk, S3), some
seconds of weather while clients submit, look, retry and reconcile, and then calm. After it everything
that was begun must end, with the right outputs, nothing run twice, and nothing left behind.

All choices of an episode come from its seed: which calls are made, what is done to which kind of
process, in which order. What they hit depends on the machine's timing, which nobody can replay: a seed
that failed once may pass the next time, so run it a few times.
"""
