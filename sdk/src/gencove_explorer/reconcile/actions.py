"""What reconcile does with a manifest, in a word each."""

SUBMIT = "submit"
SUPERSEDE = "supersede"
RETRY = "retry"
RESUME = "resume"
ADOPT = "adopt"
UPDATE = "update"
RETIRE = "retire"
HOLD = "hold"
WAIT = "wait"
GONE = "gone"
UNCHANGED = "unchanged"

ACTIONS = {
    SUBMIT: "a new manifest: run it",
    SUPERSEDE: "another run than the recorded one: stop that, keep its outputs, start this",
    RETRY: "run the failed jobs again",
    RESUME: "finish a submission that was interrupted",
    ADOPT: "the run of a manifest that was renamed: nothing runs",
    UPDATE: "record resources, labels or rules: nothing runs, the next attempt has them",
    RETIRE: "no manifest any more: stop it, keep its outputs",
    HOLD: "failed: waits for a person",
    WAIT: "waits for another manifest",
    GONE: "no manifest any more; --prune retires it",
    UNCHANGED: "nothing to do",
}
"""Action -> what it means."""
CHANGES = (SUBMIT, SUPERSEDE, RETRY, RESUME, ADOPT, UPDATE, RETIRE)
RECORDED = (SUBMIT, SUPERSEDE, RETRY, ADOPT, UPDATE, RETIRE)
"""Actions that a revision is written for."""
STARTS = (SUBMIT, SUPERSEDE)
"""Actions that make a new analysis."""

MISSING = "MISSING"
"""Of an analysis that a revision chose, and nobody submitted whole."""
