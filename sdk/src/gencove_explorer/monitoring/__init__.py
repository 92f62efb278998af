"""A submitted analysis: what became of it. Nothing is unpickled but by ``inputs``, when a person asks.

stored_analysis   states, outputs, failures and the end of one analysis in its store
lookup            finding one: by id, or as what another one depends on
reports           status and failures as people are shown them
tables            lists of analyses and jobs, as text and HTML
logs              the log of a job, once or as it grows
waiting           polls that grow rarer, with a bar
inputs            what it was submitted with, unpickled

``StoredAnalysis.delete`` removes; looking may write down, through executors, why jobs ended.
"""
