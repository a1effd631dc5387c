# SPDX-License-Identifier: GPL-2.0
"""An emulated NIC for a case: loaded into the case's namespace, every end up and listened to, and taken
down at the end, after which the kernel must have nothing to complain of.

    with Nic(personality="mlx5") as nic:
        nic.tc("filter add dev p0 ingress ...")
        nic.send("wire0", frame)
        nic.expect(wire1=[frame])

A check that fails raises AssertionError; the case ends with its text.
"""
import errno
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DEBUGFS = "/sys/kernel/debug/eswsim"
REPS = ["p0", "pf0vf0", "pf0vf1", "p1", "pf1vf0", "pf1vf1"]
FAR = {"p0": "wire0", "pf0vf0": "vf00", "pf0vf1": "vf01", "p1": "wire1", "pf1vf0": "vf10", "pf1vf1": "vf11"}
ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 3, 263, 8, 23
COMPLAINTS = re.compile(r"WARNING:|BUG|Oops|Call Trace|INFO: task|waiting for .* to become free|refcount_t|rcu: INFO"
                        r"|rcu_sched|suspicious|general protection|Failed to reload devlink|Redzone|Poison|Object padding")


def run(*command, check=True):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def equal(seen, wanted, what=""):
    if seen != wanted:
        raise AssertionError(f"{what}: {seen!r} instead of {wanted!r}")


def until(condition, what, seconds=10):
    """Polls a condition of the real kernel; returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def errno_name(number):
    return "EOPNOTSUPP" if number == errno.EOPNOTSUPP else errno.errorcode[number]


def step(text):
    print(f"-- {text}", flush=True)


class Listener:
    """What a netdev receives, with its tag put back into the frame."""

    def __init__(self, netdev):
        self.netdev = netdev
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.bind((netdev, ETH_P_ALL))
        self.socket.setblocking(False)

    def receive(self):
        frames = []
        while True:
            try:
                frame, control, _, _ = self.socket.recvmsg(70000, 100)
            except BlockingIOError:
                return frames
            for level, kind, data in control:
                status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
                if (level, kind) == (SOL_PACKET, PACKET_AUXDATA) and status & 0x10:
                    frame = frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
            frames.append(frame)


class Tc:
    """One tc process for all commands: starting one costs a tenth of a second in the guest."""

    END = '"kind":"noqueue"'

    def __init__(self):
        self.process = subprocess.Popen(["tc", "-s", "-j", "-force", "-batch", "-"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)

    def ask(self, command):
        """The command's JSON, and its errors' text."""
        self.process.stdin.write(f"{command}\nqdisc show dev lo\n")
        data, errors = [], ""
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"tc ended at: {command}\n{errors}")
            if line.startswith("["):
                if self.END in line:
                    return data, errors
                data += json.loads(line)
            elif line.strip():
                errors += line

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Nic:
    def __init__(self, listen=True, clsact=True, ends_up=True, **parameters):
        self.parameters = parameters
        self.listen, self.clsact, self.ends_up = listen, clsact, ends_up
        self.listeners = {}
        self.process = None

    def __enter__(self):
        if "OFFLOAD_GUEST" not in os.environ:
            print("not in the guest: these tests load a kernel module that fails on demand")
            sys.exit(77)
        mark_kernel_log()
        for scope in ("all", "default"):
            with open(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6", "w", encoding="ascii") as file:
                file.write("1")
        done = run(f"{HERE}/../nic", "up", *(f"{name}={value}" for name, value in self.parameters.items()), check=False)
        if done.returncode:
            print(done.stderr or "nic up failed", flush=True)
            sys.exit(done.returncode)
        if self.ends_up:
            lines = [f"link set {netdev} arp off up" for netdev in (*REPS, *FAR.values())]
            subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)
        self.new_tc()
        if self.clsact:
            self.tc(*(f"qdisc add dev {rep} clsact" for rep in REPS))
        if self.listen:
            self.listeners = {netdev: Listener(netdev) for netdev in (*REPS, *FAR.values())}
        return self

    def __exit__(self, kind, _value, _trace):
        for listener in self.listeners.values():
            listener.socket.close()
        self.process.close()
        if kind is None:
            run(f"{HERE}/../nic", "down")
            check_kernel_log()

    # -- tc

    def new_tc(self):
        """Forgets what tc remembers of netdevs: after one has gone or come back."""
        if self.process:
            self.process.close()
        self.process = Tc()

    def tc(self, *commands):
        data = []
        for command in commands:
            got, errors = self.process.ask(command)
            if errors:
                raise AssertionError(f"tc {command}: {errors}")
            data += got
        return data

    def refused(self, command, text):
        """The kernel refuses it, and its text says why."""
        errors = self.process.ask(command)[1]
        if not errors:
            raise AssertionError(f"accepted: tc {command}")
        if text not in errors:
            raise AssertionError(f"tc {command}: {errors!r} does not say {text!r}")

    def rules(self, rep):
        """TC's filters with a handle, as tc's JSON has them, by handle."""
        filters = self.tc(f"filter show dev {rep} ingress")
        return {f["options"]["handle"]: f for f in filters if "handle" in f.get("options", {})}

    def counted(self, rep, handle):
        """Packets and bytes that TC reports of the rule's last action."""
        stats = self.rules(rep)[handle]["options"]["actions"][-1]["stats"]
        return stats["packets"], stats["bytes"]

    # -- packets

    def send(self, netdev, *frames):
        for frame in frames:
            self.listeners[netdev].socket.send(frame)

    def expect(self, **frames):
        """Exactly these frames arrive, each netdev's in order, and nothing anywhere else."""
        wanted = {netdev: list(list_of) for netdev, list_of in frames.items() if list_of}
        seen = {}
        end = time.monotonic() + 5
        while True:
            for netdev, listener in self.listeners.items():
                got = listener.receive()
                if got:
                    seen.setdefault(netdev, []).extend(got)
            if all(len(seen.get(n, [])) >= len(f) for n, f in wanted.items()) or time.monotonic() > end:
                break
            select.select([listener.socket for listener in self.listeners.values()], [], [], 0.1)
        if seen != wanted:
            lines = [f"{title} {netdev}: {frame.hex()}" for title, where in (("wanted", wanted), ("seen  ", seen))
                     for netdev, list_of in sorted(where.items()) for frame in list_of]
            raise AssertionError("packets went elsewhere or differ:\n" + "\n".join(lines))

    # -- debugfs

    def read(self, name):
        with open(f"{DEBUGFS}/{name}", encoding="ascii") as file:
            return file.read()

    def write(self, name, text):
        with open(f"{DEBUGFS}/{name}", "w", encoding="ascii") as file:
            file.write(str(text))

    def write_errno(self, name, text):
        try:
            self.write(name, text)
        except OSError as error:
            return errno_name(error.errno)
        return None

    def totals(self, name="totals"):
        return {key: int(value) for key, value in (line.split() for line in self.read(name).splitlines())}

    def table(self):
        """The emulated table: one dictionary a rule."""
        return [dict(word.split("=", 1) if "=" in word else (word, "") for word in line.split())
                for line in self.read("rules").splitlines()]


LOG = {"mark": 0.0}


def kernel_log():
    lines = run("dmesg").stdout.splitlines()
    return [(float(m.group(1)), line) for line in lines if (m := re.match(r"\[ *([0-9.]+)\]", line))]


def mark_kernel_log():
    LOG["mark"] = max((stamp for stamp, _ in kernel_log()), default=0.0)


def check_kernel_log():
    bad = [line for stamp, line in kernel_log() if stamp > LOG["mark"] and COMPLAINTS.search(line)]
    if bad:
        raise AssertionError("the kernel complains:\n" + "\n".join(bad))
    with open("/proc/sys/kernel/tainted", encoding="ascii") as file:
        taint = int(file.read())
    equal(taint & ~(1 << 12 | 1 << 13), 0, "the kernel is tainted by more than an own, unsigned module")


# ---- rules by netlink, where a test needs the errno or thousands of rules

RTM_NEWTFILTER, RTM_DELTFILTER, NLMSG_ERROR = 44, 45, 2
REQUEST, ACK, EXCL, CREATE = 1, 4, 0x200, 0x400


def attribute(kind, data):
    return struct.pack("HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


class Rules:
    """Adds and deletes skip_sw rules "IPv4 source -> redirect or drop"; each call returns an errno name or None."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.socket.bind((0, 0))

    def _ask(self, kind, flags, rep, prio, handle, options):
        body = struct.pack("BxHiIII", 0, 0, socket.if_nametoindex(rep), handle, 0xFFFFFFF2, prio << 16 | 0x0008)
        body += attribute(1, b"flower\0") + options
        self.socket.send(struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        answer = self.socket.recv(8192)
        if struct.unpack("H", answer[4:6])[0] != NLMSG_ERROR:
            raise AssertionError("no acknowledgement")
        code = struct.unpack("i", answer[16:20])[0]
        return errno_name(-code) if code else None

    def add(self, rep, handle, source, target=None, prio=5, cookie=b""):
        """`source` as four bytes; no target: drop."""
        if target:
            parms = struct.pack("IIiiiiI", 0, 0, 4, 0, 0, 1, socket.if_nametoindex(target))
            action = attribute(1, b"mirred\0") + attribute(2, attribute(2, parms))
        else:
            action = attribute(1, b"gact\0") + attribute(2, attribute(2, struct.pack("IIiii", 0, 0, 2, 0, 0)))
        if cookie:
            action += attribute(6, cookie)
        flower = attribute(8, struct.pack("!H", 0x0800)) + attribute(10, source) + attribute(11, b"\xff" * 4)
        flower += attribute(22, struct.pack("I", 2)) + attribute(3, attribute(1, action))
        return self._ask(RTM_NEWTFILTER, REQUEST | ACK | EXCL | CREATE, rep, prio, handle, attribute(2, flower))

    def delete(self, rep, handle, prio=5):
        return self._ask(RTM_DELTFILTER, REQUEST | ACK, rep, prio, handle, b"")
