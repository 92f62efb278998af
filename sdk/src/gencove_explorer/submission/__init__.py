"""From what a person asked for to a round that an executor has.

request       AnalysisRequest: what was asked for, as plain data
array_input   what input= means: one job or an array
prepare       checks and pickles a request: a Submission; writes nothing to a store
resubmit      the same for an analysis that was found: its parts are taken as bytes
contents      the parts of a payload
commit        writes a Submission: packages, inputs, payload, round record, executor, index record
run           a whole chain: prepared first, then committed, dependencies first
retry         failed jobs again, as a further round

commit alone writes to the store; retry also closes jobs that were never submitted.
"""
