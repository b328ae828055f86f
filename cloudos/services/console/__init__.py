"""The console: terminals for people over a serial line."""
