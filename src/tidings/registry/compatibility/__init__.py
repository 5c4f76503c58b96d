"""Which changes of a schema break whom: three formats behind one interface, pure. Start in `engine`, then `problem`."""
