"""Parked keys: a key whose record was given up waits, with all its successors, until somebody decides.

Order per key is a promise, so nothing may overtake a record that failed. Its key is *parked*: later records of the key
are not handled, but join it in the dead-letter stream, in their order (reason `behind`), while every other key goes on.
What is decided about letters (`tidings dead`), and what becomes of them, is written to a second stream, the *ledger*.
Which keys are parked is nothing but those two streams, read one beside the other: it outlives every process, and
whoever is given a partition knows which of its keys are parked before it handles anything there.

    letters      one letter: what it says, and how the ledger's notes change it
    ledger       the notes, as records
    outstanding  the fold of both streams: what is outstanding, key by key, in order           pure
    parking      the same as one running process sees it, with what it has just decided        pure
    following    reads both streams for as long as the service runs
    redriving    takes what may be tried again back to the handlers
    office       puts these together for a running service
"""
