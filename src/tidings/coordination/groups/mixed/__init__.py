"""Members of the classic protocol in a group of the consumer protocol (KIP-848).

They join, sync and send heartbeats as ever, and are told: their generation is their epoch; nobody of them leads, the
coordinator assigns; "join again" means that there is a step to take towards their target.
"""
