"""Services with a database: what a handler writes there, what it emits, and that it was handled, in one commit.

`database.py` says where it is; `transactional.py` is what a handler with a session becomes; `inbox.py` and `outbox.py`
are the two tables; `relay.py` publishes what stands in the outbox.

SQLAlchemy is needed by a service with a database only: but for `parameters`, these modules are imported when there is
one.
"""
