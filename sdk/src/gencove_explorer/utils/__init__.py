"""What has nothing to do with analyses.

log          log lines on standard error
progress     a bar in a terminal or a notebook, lines in a log
durations    10m, 1h, 2w
text_files   text files of a bounded size
git          what git says of a folder
user         who uses this machine
"""
