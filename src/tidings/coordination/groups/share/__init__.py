"""Share groups (KIP-932): members share the records of a partition, so who is given which is no matter of ownership.

Nothing has to be given up before others may have it. So a member goes to its target in one step, and no more than an
epoch says what it was told last.
"""
