"""The targets, by their names. Importing this imports none of them."""

from __future__ import annotations

from tests.fuzz.target import Target

TARGETS = {
    target.name: target
    for target in (
        Target("system_calls", "sequences of system calls on the simulated machine", ("cloudos.kernel",), 2048, False),
        Target(
            "contract_servers",
            "messages to the services and their server loops",
            (
                "cloudos.services",
                "cloudos.sdk.service",
                "cloudos.sdk.transport",
                "cloudos.sdk.collections",
                "generated",
            ),
        ),
        Target(
            "contract_clients",
            "answers to the clients of all contracts",
            ("cloudos.sdk.transport", "cloudos.contracts", "generated"),
            512,
        ),
        Target(
            "elf",
            "ELF files: kernel, SDK (loader service and init), tool",
            ("cloudos.kernel.loader", "cloudos.sdk.executable", "cloudos.host.elf", "cloudos.kernel.objects.space"),
            512,
        ),
        Target(
            "bundle",
            "boot bundles: kernel, processes, tool",
            (
                "cloudos.kernel.loader",
                "cloudos.kernel.first",
                "cloudos.sdk.bundle",
                "cloudos.sdk.files",
                "cloudos.sdk.component",
                "cloudos.sdk.environment",
                "cloudos.host.bundle",
            ),
            512,
        ),
        Target(
            "wiring",
            "the wiring of a system image: init and tool",
            ("cloudos.services.init.wiring", "cloudos.host.wiring", "cloudos.sdk.collections"),
            512,
            is_text=True,
        ),
        Target(
            "supervisor",
            "init: messages to it, ends of components, wirings with any values",
            ("cloudos.services.init", "cloudos.sdk.spawn", "cloudos.sdk.executable", "generated"),
            512,
        ),
        Target(
            "manifests",
            "component.toml, image manifests, policies",
            (
                "cloudos.host.manifest",
                "cloudos.host.manifest_values",
                "cloudos.host.component",
                "cloudos.host.wiring",
                "cloudos.host.system_wiring",
                "cloudos.abi.policy",
                "cloudos.abi.toml_lines",
            ),
            2048,
            is_text=True,
        ),
        Target("compiler_text", "any text as a program", ("cloudos.compiler",), 1024, is_text=True),
        Target("compiler_programs", "programs that are nearly right", ("cloudos.compiler",), 48, False),
        Target("shell", "scripts, arithmetic, patterns, lines to complete", ("cloudos.apps.shell",), 256, is_text=True),
        Target(
            "patterns",
            "regular expressions and wildcards",
            (
                "cloudos.apps.regex",
                "cloudos.apps.regex_syntax",
                "cloudos.apps.regex_program",
                "cloudos.apps.regex_brackets",
                "cloudos.apps.wildcards",
            ),
            96,
        ),
        Target(
            "utilities",
            "arguments and input of utilities",
            (
                "cloudos.apps.toolbox",
                "cloudos.apps.options",
                "cloudos.apps.decimals",
                "cloudos.apps.dates",
                "cloudos.apps.modes",
            ),
            256,
        ),
        Target("drivers", "devices: virtio console, 16550, PL011, real-time clock", ("cloudos.drivers",), 512),
        Target(
            "machine_tables",
            "device tree and PVH start information",
            (
                "cloudos.kernel.hal.aarch64.device_tree",
                "cloudos.kernel.hal.x86_64.platform",
                "cloudos.kernel.memory.ranges",
            ),
            768,
        ),
        Target(
            "acpi",
            "the tables of x86's firmware: processors, nodes, distances",
            (
                "cloudos.kernel.hal.x86_64.acpi",
                "cloudos.kernel.hal.x86_64.nodes",
                "cloudos.kernel.hal.x86_64.processors",
                "cloudos.kernel.memory.frames",
            ),
            1024,
        ),
        Target("channel", "the device of the kernel's virtio console", ("cloudos.kernel.hal.shared.virtio",), 512),
        Target(
            "records",
            "log and audit records, the kernel's log, manual pages, kept memory",
            (
                "cloudos.apps.administration",
                "cloudos.services.audit",
                "cloudos.host.audit",
                "cloudos.host.records",
                "cloudos.drivers.rtc.kept",
            ),
            512,
            is_text=True,
        ),
        Target("console_editor", "what is typed at the console", ("cloudos.services.console",), 256),
    )
}
