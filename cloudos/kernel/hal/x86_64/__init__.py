"""x86_64: PVH boot, long mode, SYSCALL, local APIC. Sources: AMD64 manual volume 2, Intel SDM volume 3."""
