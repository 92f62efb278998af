"""The store's plain records, and the states that follow from them.

base         a record as JSON, each field checked
index        what listings show of an analysis
round        one submission of some of its jobs; Rounds: all of them, and which one counts for a job
closed       jobs that will start no attempt any more, with the reason
states       the state of each job, from rounds, outcomes and closed records: pure functions
open_store   a store with boto3's credentials

Each record is written once, by the functions named write_..., and never changed.
"""
