#!/usr/bin/env python3
"""Checks that every include edge points the way docs/architecture.md says.

usage: include_graph.py [REPOSITORY]

Walks every .h and .cc of the repository outside build/ and prints one line for each offence:

    src/engine/engine.cc:12: includes grpcpp/server.h: rule "grpc only in server, cli, examples, main"

Exit status 0 when there is none, 1 otherwise. The rules are the tables below: a new folder or
library needs its line there before anyone can include it.
"""

import os
import re
import sys
from dataclasses import dataclass

MAX_LINES = 500

# Where a file belongs: the first prefix that fits its path names its unit.
UNITS = (
    ("src/main.cc", "main"),
    ("src/compose.", "main"),
    ("src/datapath/datapath.h", "datapath.h"),
    ("src/datapath/tc_", "datapath/tc_*"),
    ("src/datapath/ovs_", "datapath/ovs_*"),
    ("src/datapath/", "datapath"),
    ("src/base/", "base"),
    ("src/doctor/", "doctor"),
    ("src/session/", "session"),
    ("src/closed/", "closed"),
    ("src/engine/", "engine"),
    ("src/server/", "server"),
    ("src/config/", "config"),
    ("src/cli/", "cli"),
    ("netlink/", "netlink"),
    ("ovs/ovsdb.", "ovsdb"),
    ("ovs/rpc.", "ovsdb"),
    ("ovs/", "ovs"),
    ("proto/", "proto"),
    ("examples/", "examples"),
    ("tests/", "tests"),
)

# What a unit may include beside itself; None = everything.
MAY_INCLUDE = {
    "base": (),
    "netlink": ("base",),
    "ovsdb": ("base",),
    "ovs": ("base",),
    "session": ("base",),
    "closed": ("session", "base"),
    "datapath.h": ("session", "base"),
    "datapath": ("datapath.h", "session", "base"),
    "datapath/tc_*": ("datapath.h", "datapath", "netlink", "ovsdb", "session", "base"),
    "datapath/ovs_*": ("datapath.h", "datapath", "ovs", "session", "base"),
    "engine": ("session", "closed", "datapath.h", "base"),
    "server": ("engine", "session", "closed", "base", "proto"),
    "doctor": (),
    "cli": ("doctor", "proto"),
    "config": ("base", "session"),
    "examples": ("proto",),
    "proto": (),
    "main": None,
    "tests": None,
}

# Libraries by the start of the included path, and who may use them; None = everyone.
TC = ("netlink", "datapath/tc_*")
GRPC = ("server", "cli", "examples", "main")
LIBRARIES = (
    ("linux/", "kernel headers", TC),
    ("libmnl/", "libmnl", ("netlink",)),
    ("netlink/", "libnl", ("netlink",)),
    ("grpc/", "grpc", GRPC),
    ("grpcpp/", "grpc", GRPC),
    ("google/protobuf/", "protobuf", GRPC + ("proto",)),
    ("nlohmann/", "nlohmann json", ("config", "cli", "ovsdb")),
    ("CLI/", "CLI11", ("config", "cli")),
    ("absl/", "abseil", None),
    ("spdlog/", "spdlog", None),
    ("gtest/", "googletest", ("tests",)),
    ("gmock/", "googletest", ("tests",)),
    ("benchmark/", "benchmark", ("tests",)),
    ("fuzzer/", "libFuzzer", ("tests",)),
    ("sanitizer/", "sanitizer interfaces", ("tests",)),
)

# Angle brackets: what the C and C++ libraries keep in folders.
SYSTEM_FOLDERS = ("sys/", "net/", "netinet/", "arpa/", "asm/", "bits/")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


@dataclass(frozen=True)
class Offence:
    path: str
    line: int
    what: str
    rule: str

    def __str__(self):
        return f'{self.path}:{self.line}: {self.what}: rule "{self.rule}"'


def unit_of(path):
    """The unit a file of the repository belongs to, or None."""
    return next((unit for prefix, unit in UNITS if path.startswith(prefix)), None)


def include_rule(unit):
    allowed = MAY_INCLUDE[unit]
    return f"{unit} -> {', '.join(allowed) if allowed else 'nothing of the project'}"


def find_sources(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            f for f in folders
            if not f.startswith(".") and not (f == "build" and folder == root))
        for name in sorted(names):
            if name.endswith((".h", ".cc")):
                yield os.path.relpath(os.path.join(folder, name), root)


def includes_of(text):
    """(line number, bracket, path) of each #include outside block comments."""
    blank = lambda match: "\n" * match.group(0).count("\n")
    text = re.sub(r"/\*.*?\*/", blank, text, flags=re.DOTALL)
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def resolve(root, path, target):
    """The repository path that a quoted include in `path` means, or None.

    Generated protocol code is proto/. Tests alone may leave the folder out or start at tests/.
    """
    candidates = [target, "src/" + target]
    if unit_of(path) == "tests":
        candidates += ["tests/" + target, os.path.join(os.path.dirname(path), target)]
    for candidate in candidates:
        if os.path.isfile(os.path.join(root, candidate)):
            return candidate
    if target.endswith(".pb.h") and not target.startswith("google/"):
        return target if target.startswith("proto/") else "proto/" + target
    return None


def check_library(unit, target, bracket):
    """The broken rule when `unit` may not include a header outside the repository, else None."""
    for prefix, library, users in LIBRARIES:
        if target.startswith(prefix):
            if users is None or unit in users or unit == "tests":
                return None
            return f"{library} only in {', '.join(users)}"
    if bracket == "<" and ("/" not in target or target.startswith(SYSTEM_FOLDERS)):
        return None
    return "only known folders and libraries are included, by their path from the repository or src/"


class Graph:
    def __init__(self, root):
        self.root = root
        self.offences = []
        self.edges = {}  # path -> [(line, included path)]

    def offend(self, path, line, what, rule):
        self.offences.append(Offence(path, line, what, rule))

    def check(self):
        for path in find_sources(self.root):
            with open(os.path.join(self.root, path), encoding="utf-8") as file:
                text = file.read()
            self.check_file(path, text)
        self.check_cycles()
        return sorted(self.offences, key=lambda o: (o.path, o.line))

    def check_file(self, path, text):
        lines = len(text.splitlines())
        if lines > MAX_LINES:
            self.offend(path, lines, f"has {lines} lines", f"at most {MAX_LINES} lines a file")
        if path.endswith(".cc"):
            self.check_named(path)
        self.edges[path] = []
        unit = unit_of(path)
        if unit is None:
            self.offend(path, 1, "is in no known folder", "sources live in the folders of the map")
            return
        for line, bracket, target in includes_of(text):
            self.check_include(path, unit, line, bracket, target)

    def check_named(self, path):
        folder, name = os.path.split(path)
        cmake = os.path.join(folder, "CMakeLists.txt")
        try:
            with open(os.path.join(self.root, cmake), encoding="utf-8") as file:
                listed = re.sub(r"#.*", "", file.read())
        except FileNotFoundError:
            listed = ""
        if not re.search(r"(?<![\w./-])" + re.escape(name) + r"(?![\w.-])", listed):
            self.offend(path, 1, f"is not named in {cmake}", "each folder names its files one by one")

    def check_include(self, path, unit, line, bracket, target):
        what = f"includes {target}"
        included = resolve(self.root, path, target) if bracket == '"' else None
        if included is None:
            rule = check_library(unit, target, bracket)
            if rule:
                self.offend(path, line, what, rule)
            return
        self.edges[path].append((line, included))
        target_unit = unit_of(included)
        allowed = MAY_INCLUDE[unit]
        if allowed is not None and target_unit != unit and target_unit not in allowed:
            self.offend(path, line, what, include_rule(unit))

    def check_cycles(self):
        done, trail = set(), []

        def visit(path):
            trail.append(path)
            for line, included in self.edges.get(path, ()):
                if included in trail:
                    cycle = trail[trail.index(included):] + [included]
                    self.offend(path, line, f"includes {included}",
                                "no cycles: " + " > ".join(cycle))
                elif included not in done:
                    visit(included)
            done.add(trail.pop())

        for path in sorted(self.edges):
            if path not in done:
                visit(path)


def main(arguments):
    root = os.path.abspath(arguments[1] if len(arguments) > 1 else ".")
    graph = Graph(root)
    offences = graph.check()
    for offence in offences:
        print(offence)
    print(f"{len(graph.edges)} files, {sum(map(len, graph.edges.values()))} include edges, "
          f"{len(offences)} offences")
    if not graph.edges:
        print(f"no sources under {root}")
        return 1
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
