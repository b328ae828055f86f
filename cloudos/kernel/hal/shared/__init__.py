"""What several architectures use: devices that are the same everywhere, and the books about what the kernel keeps."""
