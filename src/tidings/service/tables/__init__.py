"""Tables: a service's local copy of what another says about its things (event-carried state transfer)."""
