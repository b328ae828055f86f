"""Which thread runs, and until when."""
