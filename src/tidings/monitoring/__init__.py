"""What Prometheus and probes are told, by the broker and by services alike: a text format, and a little HTTP."""
