"""The first process: starts the components of the image and supervises them."""
