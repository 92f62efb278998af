"""Reconcile: what runs is what git says.

specification    what a manifest asks for, as plain data; what makes another run of it
desired          manifests as specifications
revision         what somebody committed to, as data
revision_store   its numbered records in the store
actions          what may happen to a manifest, in a word each
observed         what became of recorded runs
plan             a pure function from manifests, a revision and what was observed to rows with reasons
next_revision    from a plan to the next revision
prepare          all that is to run, pickled before anything is written
leases           who submits a round
apply            makes a revision's ids true
reconciler       all of it in order
render           plans as table, Markdown, JSON
history          what was reconciled

revision_store, leases and apply write to the store; plan, next_revision and what they import do no I/O.
"""
