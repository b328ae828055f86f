"""The distribution's own kernel for virtual machines, from the mirrors that apt on this machine is configured for.

apt works in a directory of its own, so that no root is needed, nothing is installed, the machine's package lists stay
as they are, and the kernel of the other architecture can be had too. What was unpacked is kept: a later run needs no
network. apt checks the signatures as it always does.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from cloudos.host import state
from cloudos.host.bootstrap import say, write_atomically
from cloudos.host.errors import ToolError

NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What Debian calls the architectures."""

PACKAGES = ("linux-image-cloud-{}", "linux-image-virtual")
"""Debian's kernel for clouds, and where there is none, Ubuntu's. Both depend on the newest one, which has a version
in its name."""

NEWEST = re.compile(r"^ *Depends: (linux-image-\d\S*)$", re.MULTILINE)
KERNEL = re.compile(r"\./?boot/vmlinuz-.+")


@dataclass(frozen=True)
class Kernel:
    """A Linux kernel that QEMU can boot: the package that it comes from, its version, the file."""

    package: str
    version: str
    path: str


def kernel(architecture: str) -> Kernel:
    """The kernel that was fetched before, or is fetched now. Raises ToolError when that cannot be done."""
    folder = state.directory() / "cache" / "linux" / architecture
    known = recorded(folder)
    return known if known else fetch(architecture, folder)


def recorded(folder: Path) -> Kernel | None:
    """The kernel that lies in a folder, if it is there."""
    try:
        found = Kernel(**json.loads((folder / "kernel.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if Path(found.path).is_file() else None


def fetch(architecture: str, folder: Path) -> Kernel:
    """Download and unpack the newest kernel into `folder`. Raises ToolError."""
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if not shutil.which(tool):
            raise ToolError(f"Linux comes from a Debian package, and there is no {tool} here", "use Debian or Ubuntu")
    folder.mkdir(parents=True, exist_ok=True)
    name = NAMES[architecture]
    say(f"fetching the cloud kernel for {name} with apt-get, which is kept in {folder}")
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        work = Path(temporary)
        apt = configuration(work, name)
        run(["apt-get", "-c", apt, "-qq", "update"], work)
        package = newest(apt, name, work)
        run(["apt-get", "-c", apt, "-qq", "download", package], work)
        archive = next(work.glob(f"{package}_*.deb"))
        version = run(["dpkg-deb", "--field", str(archive), "Version"], work).strip()
        content = unpack(archive)
    made = Kernel(package, version, str(folder / f"{package}_{version.replace(':', '-')}"))
    write_atomically(Path(made.path), content)
    write_atomically(folder / "kernel.json", json.dumps(asdict(made), indent=1).encode())
    return made


def configuration(work: Path, name: str) -> str:
    """The path of a configuration that gives apt a state of its own, in `work`, and an architecture by `name`.

    It is read after the machine's, whose sources and keys stay in force (man 5 apt.conf).
    """
    for part in ("state/lists/partial", "cache/archives/partial"):
        (work / part).mkdir(parents=True)
    path = work / "apt.conf"
    path.write_text(
        f"""#clear APT::Architectures;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Architecture "{name}";
APT::Architectures {{ "{name}"; }};
APT::Sandbox::User "root";
Dir::State "{work}/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{work}/cache";
Acquire::Languages "none";
"""
    )
    return str(path)


def newest(apt: str, name: str, work: Path) -> str:
    """The package of the newest kernel. Raises ToolError when the mirrors have none."""
    for pattern in PACKAGES:
        command = ["apt-cache", "-c", apt, "depends", "--important", pattern.format(name)]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        found = NEWEST.search(done.stdout)
        if found:
            return found[1]
    raise ToolError(
        f"the mirrors of this machine have no {' and no '.join(PACKAGES).format(name)} for {name}",
        "Debian's mirrors have the kernels of all architectures: use Debian, or the machine's own architecture",
    )


def run(command: list[str], work: Path) -> str:
    """The output of a step; ToolError with the end of what it said when it fails."""
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(
            f"`{' '.join(command)}` failed:\n{done.stderr.strip()[-2000:]}", "look at the network, try again"
        )
    return done.stdout


def unpack(archive: Path) -> bytes:
    """The kernel in a package. Raises ToolError when there is none."""
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as files,
    ):
        for member in files:
            if member.isfile() and KERNEL.fullmatch(member.name):
                content = files.extractfile(member)
                assert content is not None
                data = content.read()
                process.kill()
                return data
    raise ToolError(f"{archive.name} has no kernel in it", "please report this as a defect")
