"""A request's way: connection, frame, table of APIs, handler; and what handlers ask for on the way."""
