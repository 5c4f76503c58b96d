"""A bank in which no cent is lost, and none is made, whatever falls over: see README.md."""
