"""Reconcile: what runs is what git says.

specification  what a manifest asks for, as plain data; what makes another run of it
revision       what somebody committed to, as data
revisions      its numbered records in the store
actions        what may happen to a manifest, in a word each
plan           a pure function from manifests, a revision and what was seen to rows with reasons
decide         from a plan to the next revision
observing      what became of recorded runs
preparing      all that is to run, pickled before anything is written
claims         who submits
converge       make a revision's ids true
reconciler     all of it in order
show           plans as table, Markdown, JSON
"""
