"""What watches a machine from outside: a plugin of QEMU in systems Python, and what reads the records it makes."""
