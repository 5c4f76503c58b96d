"""What lasts of share groups' progress (KIP-932): of each partition, where a group begins and which records are done.

Who hands out records to members keeps the whole picture in memory. Here is kept what must outlive it: in Apache Kafka
by the share coordinator, in `__share_group_state`.
"""
