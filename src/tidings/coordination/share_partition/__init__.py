"""Which records of one partition a share group has handed out, to whom, and what became of them (KIP-932)."""
