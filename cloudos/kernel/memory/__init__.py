"""Frames, address spaces and access to user memory."""
