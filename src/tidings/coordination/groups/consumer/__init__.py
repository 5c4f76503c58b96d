"""Groups of the consumer protocol (KIP-848): the coordinator assigns, members converge to it one by one.

A group has an epoch that rises whenever what it reads or who reads it changes. For each epoch a *target assignment* is
computed. Each member then walks towards its target at its own pace, told by its heartbeats: first it gives up what is
no longer its own, then its epoch becomes the target's and it is given what others have given up. Nobody waits for all.
"""
