"""The program that the machine was started for, run as others are: through the loader."""
