"""The coordinators of `tidings.coordination`, put to work: each on its log, its clock and its disk."""
