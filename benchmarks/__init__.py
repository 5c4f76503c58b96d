"""Figures, each with the command that makes it: side by side with the peer, same machine, same run."""
