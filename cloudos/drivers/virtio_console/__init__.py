"""A console on a virtio serial device."""
