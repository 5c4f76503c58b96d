"""Who consumes what: coordinators as pure state machines, (state, request, now) -> outcome.

They do no I/O and know no clock: an outcome says what to append to the log and which replies to release once it is
safe there. What lasts changes only in `replay`, so starting again is nothing but replaying the log.
"""
