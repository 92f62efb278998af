"""Folders, processes and pipes: nothing here knows of jobs or of the store.

folders        private folders, and removing trees
processes      how a process ended; ending what it left behind
memory         how much memory an attempt used
frames         named bytes over a pipe
patience       trying again what may pass
progress       lines in a log about what takes a while
substitution   {expression} and $name in commands
temp_folder    TMPDIR with room for Unix sockets
"""
