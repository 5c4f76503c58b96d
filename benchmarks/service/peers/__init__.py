"""The programs that are compared: each a process of its own, with the libraries of its own environment.

They handle the same orders, and differ in nothing but what they are made with. Each is written as its library's own
documentation has it, with what is fastest there: where one can choose how JSON becomes a type, it is msgspec.
"""
