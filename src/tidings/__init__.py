"""Event-driven architecture, complete, in one `pip install`."""
