"""This machine as a place where jobs run: what the local and the foreground executor share.

machine        its name in records; what a job definition may ask of it
container      what a job's container is like, here as on AWS Batch
runtime        the Python that jobs run in: the runner and nothing else; made once
ipython_copy   IPython for jobs that call the shell, in a folder apart
folders        folders that appear whole or not at all
processes      processes seen from outside: whose a log is, how much memory a tree holds
claims         which attempts at jobs were begun, and which of them run

It writes to the home folder alone.
"""
