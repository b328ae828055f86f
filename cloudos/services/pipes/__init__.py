"""Pipes: streams of bytes between programs."""
