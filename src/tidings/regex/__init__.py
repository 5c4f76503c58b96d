"""Regular expressions that come from clients: RE2's syntax, matched in bounded time. Start in `automaton`."""
