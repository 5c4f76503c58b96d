"""Speed and memory of services: Tidings beside other ways to handle a stream's events in Python."""
