#!/usr/bin/env python3
"""Runs the socket tests in a qemu guest whose kernel has the address families that most lack.

    python3 conformance/guest.py [--interpreter PATH] [--python PATH] [--suite NAME ...]
                                 [--program FILE] [--accel NAME] [--limit MINUTES]
    python3 conformance/guest.py --readme

Boots Debian's newest kernel in qemu, with CAN, TIPC, RDS, QIPCRTR, SCTP, VSOCK, the
kernel's cryptography, MPTCP, kernel TLS and Bluetooth, and runs there, under CPython 3.13
and under `interpreter`: CPython's own test.test_socket, as run.py does and with the same
differences.txt, and the files of py_tests/ that need these families. Prints a table of
what passed, failed and was skipped, and every difference.

There is no disk image: a small initramfs, which this script writes, mounts this machine's
root file system over 9p, read-only. Nothing is installed. The kernel and busybox come by
`apt-get download` into target/guest/; qemu-system-x86_64 has to be there:

    apt-get install -y --no-install-recommends qemu-system-x86

--program FILE   runs a script under both programs in the guest instead, and shows what it
                 prints; a behaviour is tried on CPython first
--suite NAME     only this suite: test.test_socket or a file of py_tests/ without its suffix
--accel NAME     qemu's accelerator (default: kvm where it works, else tcg)
--readme         runs nothing; puts the last whole result into README.md

For test_bluetooth and --program there are two Bluetooth controllers that hear each other:
btvirt, from Debian's bluez-test-tools, acts as their firmware. A CPython that was built
without Bluetooth's headers is replaced there by /usr/bin/python3, if that has them.

Exit status: 0 no unexpected difference, 1 some, or a wrong PYTHON313, 2 skipped, for want of qemu, a package or
a program; the last line says which.
"""

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading

import run
# run.py adds the folder of this one to the path.
import pythons

QEMU = "qemu-system-x86_64"
META_PACKAGE = "linux-image-amd64"
BLUETOOTH_PACKAGE = "bluez-test-tools"
SUITES = [
    "test.test_socket",
    "test_addresses",
    "test_bluetooth",
    "test_families",
    "test_kernel_families",
    "test_messages",
    "test_options",
]
# Modules that the first file system needs; everything else is loaded from it.
BOOT_MODULES = ["virtio_pci", "9pnet_virtio", "9p"]
# These are loaded by name: their families ask whether a module is there, or no socket
# call loads them. What the kernel lacks is reported, and its tests are skipped.
MODULES = [
    "can", "can-raw", "can-bcm", "can-isotp", "can-j1939", "vcan", "tipc", "rds", "rds_tcp",
    "qrtr", "sctp", "vsock", "vsock_loopback", "af_alg", "algif_hash", "algif_skcipher",
    "algif_aead", "algif_rng", "bluetooth", "rfcomm", "hci_vhci", "tls", "smc", "appletalk",
    "ax25", "netrom", "rose", "x25",
]
# The parts of the kernel's package that are unpacked.
KEPT = re.compile(
    r"\./(boot/|lib/modules/[^/]+/(modules\.(order|builtin.*)$|kernel/(net|crypto|lib|fs|block|"
    r"arch/x86/crypto|drivers/(virtio|bluetooth|crypto|char/hw_random|net/(can|[^/]*$)))/))")
BEGIN = "<!-- guest: written by conformance/guest.py --readme -->"
END = "<!-- end of guest -->"


class Skipped(Exception):
    """There is nothing to run the guest with; the text says what is missing."""


def command_output(*command, cwd=None):
    """Returns the output of a command, or raises Skipped."""
    try:
        done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Skipped("%s: %s" % (command[0], error)) from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["exit status %d" % done.returncode]
        raise Skipped("`%s`: %s" % (" ".join(command), said[-1]))
    return done.stdout


def kernel_package():
    """The name of the package that has the newest kernel."""
    names = re.findall(r"Depends: (linux-image-\d\S*)",
                       command_output("apt-cache", "depends", META_PACKAGE))
    if not names:
        raise Skipped("apt knows no kernel (%s); try `apt-get update`" % META_PACKAGE)
    return names[0]


def fetched(name, cache):
    """Returns the path of a package's file, downloaded unless it is there. A file in `cache` is whole."""

    def files():
        return [file for file in os.listdir(cache) if file.startswith(name + "_")]

    os.makedirs(cache, exist_ok=True)
    if not files():
        print("fetching %s" % name, flush=True)
        partial = os.path.join(cache, "partial")
        shutil.rmtree(partial, ignore_errors=True)
        os.makedirs(partial)
        command_output("apt-get", "download", name, cwd=partial)
        for file in os.listdir(partial):
            os.rename(os.path.join(partial, file), os.path.join(cache, file))
    return os.path.join(cache, files()[0])


def unpack(package, folder, kept=None):
    """Unpacks a package's files into `folder`, those alone that match `kept`. A folder that
    is there is whole."""
    if os.path.isdir(folder):
        return
    print("unpacking %s" % os.path.basename(package), flush=True)
    partial = folder + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    try:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package],
                              stdout=subprocess.PIPE) as archive:
            with tarfile.open(fileobj=archive.stdout, mode="r|") as tar:
                for member in tar:
                    name = member.name if member.name.startswith("./") else "./" + member.name
                    if kept is None or member.isfile() and kept.match(name):
                        tar.extract(member, partial)
    except tarfile.ReadError as error:
        raise Skipped("%s cannot be unpacked (%s); remove it" % (package, error)) from None
    if archive.returncode:
        raise Skipped("%s cannot be unpacked; remove it" % package)
    os.rename(partial, folder)


class Kernel:
    """A kernel with its modules, and busybox, unpacked in a cache folder."""

    def __init__(self, cache):
        packages = os.path.join(cache, "packages")
        name = kernel_package()
        kernel, busybox = (fetched(one, packages) for one in (name, "busybox-static"))
        version = os.path.basename(kernel).split("_")[1]
        root = os.path.join(cache, "%s_%s" % (name, version))
        unpack(kernel, root, KEPT)
        unpack(busybox, os.path.join(cache, "busybox"))
        self.busybox = os.path.join(cache, "busybox", "bin", "busybox")
        (self.release,) = os.listdir(os.path.join(root, "lib", "modules"))
        self.image = os.path.join(root, "boot", "vmlinuz-" + self.release)
        self.modules = os.path.join(root, "lib", "modules", self.release)
        self.dependencies = os.path.join(self.modules, "modules.dep")
        if not os.path.exists(self.dependencies):
            command_output(self.busybox, "depmod", "-b", root, self.release)
        try:
            unpack(fetched(BLUETOOTH_PACKAGE, packages), os.path.join(cache, BLUETOOTH_PACKAGE))
            self.btvirt = os.path.join(cache, BLUETOOTH_PACKAGE, "usr", "bin", "btvirt")
        except Skipped as reason:
            print("no Bluetooth: %s" % reason)
            self.btvirt = None

    def closure(self, names):
        """The files of these modules and of what they need, relative to `modules`."""
        needs = {}
        with open(self.dependencies) as lines:
            for line in lines:
                path, _, others = line.strip().partition(":")
                needs[path] = others.split()
        by_name = {os.path.basename(path).split(".")[0].replace("-", "_"): path for path in needs}
        wanted = [by_name[name.replace("-", "_")] for name in names if name in by_name]
        found = []
        while wanted:
            path = wanted.pop()
            if path not in found:
                found.append(path)
                wanted += needs.get(path, [])
        return found


def cpio(entries):
    """An archive in the format "newc" of {path: (mode, content)}."""
    pieces = []

    def add(number, name, mode, content):
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
        pieces.append(head + b"\0" * (-len(head) % 4))
        pieces.append(content + b"\0" * (-len(content) % 4))

    for number, name in enumerate(sorted(entries), 1):
        add(number, name, *entries[name])
    add(0, "TRAILER!!!", 0, b"")
    return b"".join(pieces)


INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
options=trans=virtio,version=9p2000.L,msize=262144
modprobe -a {boot}
mount -t 9p -o $options,ro,cache=loose modules /lib/modules/{release} || reboot -f
for module in {modules}; do
    modprobe -q $module 2>/dev/null || missing="$missing $module"
done
mount -t 9p -o $options,ro,cache=loose root /host || reboot -f
mount -t proc proc /host/proc
mount -t sysfs sys /host/sys
mount -t devtmpfs dev /host/dev
mkdir -p /host/dev/pts /host/dev/shm
mount -t devpts pts /host/dev/pts
for folder in /dev/shm /tmp /run /var/tmp; do mount -t tmpfs -o mode=1777 tmp /host$folder; done
{shares}
mkdir -p /host/run/guest
mount -t 9p -o $options out /host/run/guest || reboot -f
hostname {hostname}
ip link set lo up
ip link add vcan0 type vcan && ip link set vcan0 up
cat /proc/mounts >/dev/null
cd /
env -i HOME=/tmp LANG=C.UTF-8 TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
    MISSING="$missing" /bin/chroot /host {command}
sync
reboot -f
"""

SHARE = """mkdir -p /host{path}
mount -t 9p -o $options,ro,cache=loose {tag} /host{path} || reboot -f"""


def initramfs(kernel, shares, command):
    """The bytes of the first file system, which starts `command` in this machine's own."""
    directory, program, link = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755, stat.S_IFLNK | 0o777
    modules = "lib/modules/" + kernel.release
    folders = ["bin", "sbin", "proc", "dev", "host", "lib", "lib/modules", modules]
    entries = {folder: (directory, b"") for folder in folders}
    with open(kernel.busybox, "rb") as file:
        entries["bin/busybox"] = (program, file.read())
    # The kernel itself starts this one, for the modules that a socket call asks for.
    entries["sbin/modprobe"] = (link, b"/bin/busybox")
    for path in [*kernel.closure(BOOT_MODULES), "modules.dep"]:
        name = modules
        for part in path.split("/")[:-1]:
            name += "/" + part
            entries[name] = (directory, b"")
        with open(os.path.join(kernel.modules, path), "rb") as file:
            entries[modules + "/" + path] = (program, file.read())
    entries["init"] = (program, INIT.format(
        boot=" ".join(BOOT_MODULES), release=kernel.release, modules=" ".join(MODULES),
        shares="\n".join(SHARE.format(path=shlex.quote(path), tag=tag) for tag, path in shares),
        hostname=shlex.quote(platform.node()), command=shlex.join(command)).encode())
    return cpio(entries)


def kvm_works():
    """Tells whether KVM can be used. A machine that is itself a guest may have /dev/kvm and
    make virtual machines that never run; its processor then lacks the extension."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with open("/proc/cpuinfo") as file:
        return re.search(r"\b(vmx|svm)\b", file.read()) is not None


def boot(qemu, accel, kernel, archive, shares, minutes):
    """Runs the guest until it ends, and prints what it prints. False if it had to be killed."""
    command = [
        qemu, "-accel", accel, "-machine", "q35", "-cpu", "max", "-smp", "2", "-m", "2048",
        "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
        "-device", "virtio-rng-pci", "-kernel", kernel.image, "-initrd", archive,
        "-append", "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off",
    ]
    for tag, path, mode in shares:
        command += [
            "-fsdev", "local,id=%s,path=%s,security_model=none,multidevs=remap%s" % (
                tag, path.replace(",", ",,"), ",readonly=on" if mode == "ro" else ""),
            "-device", "virtio-9p-pci,fsdev=%s,mount_tag=%s" % (tag, tag),
        ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        killed = threading.Event()

        def kill():
            killed.set()
            process.kill()

        timer = threading.Timer(minutes * 60, kill)
        timer.daemon = True
        timer.start()
        # Ended from outside, this program ends the guest too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        try:
            for line in process.stdout:
                print(line.decode("utf-8", "replace").rstrip(), flush=True)
        finally:
            timer.cancel()
            process.kill()
    return not killed.is_set()


def table(result):
    """The result as lines of a table, in Markdown."""
    titles = result["titles"]
    lines = ["| Linux %s | %s |" % (result["kernel"], " | ".join(titles)),
             "|---" * (len(titles) + 1) + "|"]
    for suite, sides in result["suites"].items():
        cells = ["%(ok)d ok, %(failed)d failed, %(skipped)d skipped" % sides[title]
                 for title in titles]
        lines.append("| %s | %s |" % (suite, " | ".join(cells)))
    return lines


def differences(result):
    """Lines that name each difference, with its reason if it has one."""
    for entry in result["differences"]:
        outcomes = "%s: %s -> %s" % (entry["test"], entry["cpython"], entry["interpreter"])
        if entry["reason"]:
            yield "  listed      %s\n              %s" % (outcomes, entry["reason"])
        else:
            yield "  UNEXPECTED  %s" % outcomes


def into_readme(result, path):
    """Puts the table between README's two marks."""
    with open(path) as file:
        before, begin, rest = file.read().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit("%s has no lines %s, %s" % (path, BEGIN, END))
    unexpected = sum(not entry["reason"] for entry in result["differences"])
    listed = len(result["differences"]) - unexpected
    note = ("%d tests differ for a reason that [differences.txt](conformance/differences.txt) "
            "gives, %d for none." % (listed, unexpected))
    if result["missing"]:
        note += " The kernel has no module for: %s." % ", ".join(result["missing"])
    with open(path, "w") as file:
        file.write("\n".join([before + BEGIN, *table(result), "", note, END]) + after)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interpreter", help="the binary under test (default: the newest in target/)")
    parser.add_argument("--python", help="a CPython 3.13 with its `test` package (default: searched)")
    parser.add_argument("--suite", action="append", choices=SUITES, help="only this one; may be repeated")
    parser.add_argument("--program", help="run this script under both programs, and no suite")
    parser.add_argument("--accel", help="qemu's accelerator (default: kvm where it works, else tcg)")
    parser.add_argument("--limit", type=float, default=60,
                        help="minutes after which the guest is killed (default 60)")
    parser.add_argument("--readme", action="store_true",
                        help="run nothing; put the last whole result into README.md")
    return parser.parse_args()


def run_guest(options, folder):
    """Boots the guest and returns its result, or None if there is none."""
    if platform.machine() != "x86_64":
        raise Skipped("the guest is an x86-64 machine, and so has to be this one")
    qemu = shutil.which(QEMU)
    if not qemu:
        raise Skipped("no %s; install qemu-system-x86" % QEMU)
    interpreter = run.find_interpreter(options.interpreter)
    if not interpreter:
        raise Skipped("no interpreter binary; build it, or name it with --interpreter")
    found = pythons.find(options.python, with_tests=True)
    if not found:
        raise Skipped("no CPython 3.13 with a `test` package; name one with --python or PYTHON313")
    python, tests = found
    kernel = Kernel(folder)
    accel = options.accel or ("kvm" if kvm_works() else "tcg")
    print("kernel       %s (%s)" % (kernel.release, accel))
    print("CPython      %s" % python)
    print("interpreter  %s" % interpreter, flush=True)

    out = os.path.join(folder, "out")
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    # A copy, so that a build meanwhile does not change what is tested.
    shutil.copy(interpreter, os.path.join(out, "interpreter"))
    if kernel.btvirt:
        shutil.copy(kernel.btvirt, os.path.join(out, "btvirt"))
    # The guest has folders of its own for /tmp and the like: what is below them here has
    # to be mounted by itself.
    python = os.path.realpath(python)
    places = {run.ROOT, os.path.dirname(os.path.dirname(python))}
    shares = [("share%d" % n, path) for n, path in enumerate(sorted(places))
              if path.startswith(("/tmp/", "/run/", "/var/tmp/"))]
    settings = {
        "interpreter": "/run/guest/interpreter", "python": python, "tests": tests,
        "suites": options.suite or SUITES, "program": None,
    }
    if options.program:
        shutil.copy(options.program, os.path.join(out, "program.py"))
        settings["program"] = "/run/guest/program.py"
    with open(os.path.join(out, "settings.json"), "w") as file:
        json.dump(settings, file)
    command = [python, os.path.join(run.HERE, "in_guest.py"), "/run/guest"]
    with tempfile.NamedTemporaryFile(prefix="initramfs-") as archive:
        archive.write(initramfs(kernel, shares, command))
        archive.flush()
        mounts = [("root", "/", "ro"), ("modules", kernel.modules, "ro"), ("out", out, "rw"),
                  *((tag, path, "ro") for tag, path in shares)]
        if not boot(qemu, accel, kernel, archive.name, mounts, options.limit):
            print("the guest was killed after %g minutes" % options.limit)
            return None
    try:
        with open(os.path.join(out, "result.json")) as file:
            result = json.load(file)
    except (OSError, ValueError):
        return None
    return result if result["complete"] else None


def main():
    options = arguments()
    folder = os.path.join(run.TARGET, "guest")
    last = os.path.join(folder, "last.json")
    if options.readme:
        try:
            with open(last) as file:
                into_readme(json.load(file), os.path.join(run.ROOT, "README.md"))
        except FileNotFoundError:
            print("skipped: there is no result of a whole run in %s" % folder)
            return 2
        return 0
    os.makedirs(folder, exist_ok=True)
    try:
        result = run_guest(options, folder)
    except Skipped as reason:
        print("skipped: %s" % reason)
        return 2
    except pythons.Unsuitable as error:
        print(error)
        return 1
    if result is None:
        print("the guest left no whole result")
        return 1
    if options.program:
        return 0
    if not options.suite:
        shutil.copy(os.path.join(folder, "out", "result.json"), last)
    print("\n".join(["", *table(result), "", *differences(result)]))
    if result["missing"]:
        print("no module in this kernel: %s" % " ".join(result["missing"]))
    unexpected = sum(not entry["reason"] for entry in result["differences"])
    print("%d listed differences, %d unexpected" % (
        len(result["differences"]) - unexpected, unexpected))
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
