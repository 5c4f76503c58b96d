"""Protocol Buffers: proto2 and proto3, as text."""
