#!/usr/bin/env python3
"""Tests of include_graph.py: a small tree with one offence each, and the line it must print."""

import os
import subprocess
import sys
import tempfile
import unittest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "include_graph.py")


def write_tree(root, files):
    """Writes `files` (path -> text) and, for each folder of a .cc, a CMakeLists.txt naming it."""
    named = {}
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        if path.endswith(".cc"):
            named.setdefault(os.path.dirname(path), []).append(os.path.basename(path))
    for folder, names in named.items():
        cmake = os.path.join(root, folder, "CMakeLists.txt")
        if not os.path.exists(cmake):
            with open(cmake, "w", encoding="utf-8") as file:
                file.write("offload_library(x SOURCES " + " ".join(names) + ")\n")


def run(files):
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, files)
        result = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True)
        return result.returncode, result.stdout.splitlines()


class IncludeGraphTest(unittest.TestCase):
    def assert_clean(self, files):
        status, lines = run(files)
        self.assertEqual((status, len(lines)), (0, 1), lines)

    def assert_only_offence(self, files, expected):
        status, lines = run(files)
        self.assertEqual((status, lines[:-1]), (1, [expected]))

    def test_allowed_edges(self):
        self.assert_clean({
            "src/base/clock.h": "#include <chrono>\n",
            "src/session/types.h": '#include "absl/time/time.h"\n#include "base/clock.h"\n',
            "src/closed/log.h": '#include "session/types.h"\n',
            "src/datapath/datapath.h": '#include "session/types.h"\n',
            "src/datapath/tc_datapath.h": '#include <linux/if_ether.h>\n#include "netlink/flower.h"\n'
                                          '#include "datapath/datapath.h"\n',
            "src/engine/engine.cc": '#include "closed/log.h"\n#include "datapath/datapath.h"\n'
                                    '#include "spdlog/spdlog.h"\n',
            "src/server/server.cc": '#include <grpcpp/server.h>\n#include "proto/v1.grpc.pb.h"\n',
            "src/cli/main.cc": '#include "v1.pb.h"\n#include "CLI/CLI.hpp"\n',
            "src/main.cc": '#include "compose.h"\n#include "datapath/tc_datapath.h"\n',
            "src/compose.h": '#include "netlink/flower.h"\n',
            "netlink/flower.h": '#include <libmnl/libmnl.h>\n#include <netlink/netlink.h>\n'
                                '#include "base/clock.h"\n',
            "examples/client.cc": '#include "proto/v1.grpc.pb.h"\n',
            "tests/fakes/fake.h": '#include "datapath/datapath.h"\n',
            "tests/engine/own.h": '#include "fakes/fake.h"\n',
            "tests/engine/x_test.cc": '#include "own.h"\n#include <linux/rtnetlink.h>\n'
                                      '#include "gtest/gtest.h"\n#include "grpcpp/server.h"\n',
        })

    def test_folder_rules(self):
        headers = {
            "netlink/flower.h": "", "ovs/flows.h": "", "src/base/clock.h": "",
            "src/session/types.h": "", "src/closed/log.h": "", "src/datapath/datapath.h": "",
            "src/datapath/tc_datapath.h": "", "src/engine/engine.h": "", "src/server/server.h": "",
            "src/config/config.h": "", "src/cli/output.h": "", "tests/fakes/fake.h": "",
        }
        cases = (
            ("src/base/a.h", "session/types.h", "base -> nothing of the project"),
            ("netlink/a.h", "session/types.h", "netlink -> base"),
            ("ovs/a.h", "netlink/flower.h", "ovs -> base"),
            ("src/session/a.h", "closed/log.h", "session -> base"),
            ("src/closed/a.h", "engine/engine.h", "closed -> session, base"),
            ("src/datapath/a.h", "datapath/tc_datapath.h",
             "datapath -> datapath.h, session, base"),
            ("src/datapath/tc_a.h", "ovs/flows.h",
             "datapath/tc_* -> datapath.h, datapath, netlink, ovsdb, session, base"),
            ("src/datapath/ovs_a.h", "netlink/flower.h",
             "datapath/ovs_* -> datapath.h, datapath, ovs, session, base"),
            ("src/engine/a.h", "netlink/flower.h", "engine -> session, closed, datapath.h, base"),
            ("src/engine/a.h", "datapath/tc_datapath.h",
             "engine -> session, closed, datapath.h, base"),
            ("src/server/a.h", "datapath/datapath.h",
             "server -> engine, session, closed, base, proto"),
            ("src/cli/a.h", "session/types.h", "cli -> doctor, proto"),
            ("src/doctor/a.h", "datapath/datapath.h", "doctor -> nothing of the project"),
            ("src/config/a.h", "server/server.h", "config -> base, session"),
            ("src/config/a.h", "proto/v1.pb.h", "config -> base, session"),
            ("examples/a.h", "cli/output.h", "examples -> proto"),
            ("src/server/a.h", "tests/fakes/fake.h",
             "server -> engine, session, closed, base, proto"),
        )
        for path, target, rule in cases:
            with self.subTest(path=path, target=target):
                self.assert_only_offence({**headers, path: f'#pragma once\n#include "{target}"\n'},
                                         f'{path}:2: includes {target}: rule "{rule}"')

    def test_library_rules(self):
        grpc = "grpc only in server, cli, examples, main"
        kernel = "kernel headers only in netlink, datapath/tc_*"
        cases = (
            ("src/engine/a.h", "<linux/if.h>", kernel),
            ("src/datapath/a.h", "<linux/if.h>", kernel),
            ("src/main.cc", "<linux/if.h>", kernel),
            ("src/session/a.h", "<libmnl/libmnl.h>", "libmnl only in netlink"),
            ("src/closed/a.h", "<netlink/netlink.h>", "libnl only in netlink"),
            ("src/engine/a.h", "<grpcpp/server.h>", grpc),
            ("src/closed/a.h", '"grpcpp/server.h"', grpc),
            ("src/config/a.h", "<grpc/grpc.h>", grpc),
            ("src/session/a.h", '"google/protobuf/message.h"',
             "protobuf only in server, cli, examples, main, proto"),
            ("src/engine/a.h", '"nlohmann/json.hpp"', "nlohmann json only in config, cli, ovsdb"),
            ("src/engine/a.h", '"CLI/CLI.hpp"', "CLI11 only in config, cli"),
            ("src/engine/a.h", '"gtest/gtest.h"', "googletest only in tests"),
        )
        for path, target, rule in cases:
            with self.subTest(path=path, target=target):
                self.assert_only_offence({path: f"\n\n#include {target}\n"},
                                         f'{path}:3: includes {target[1:-1]}: rule "{rule}"')

    def test_unknown_folder(self):
        rule = "only known folders and libraries are included, by their path from the repository or src/"
        for target in ('"app/wiring.h"', '"types.h"', '"../base/clock.h"', "<boost/asio.hpp>"):
            with self.subTest(target=target):
                self.assert_only_offence(
                    {"src/engine/a.h": f"#include {target}\n", "src/engine/types.h": ""},
                    f'src/engine/a.h:1: includes {target[1:-1]}: rule "{rule}"')

    def test_file_outside_the_map(self):
        self.assert_only_offence(
            {"src/app/wiring.h": ""},
            'src/app/wiring.h:1: is in no known folder: rule "sources live in the folders of the map"')

    def test_cycle(self):
        self.assert_only_offence(
            {
                "src/session/a.h": '#include "session/b.h"\n',
                "src/session/b.h": '\n#include "session/c.h"\n',
                "src/session/c.h": '\n\n#include "session/a.h"\n',
            },
            "src/session/c.h:3: includes src/session/a.h: "
            'rule "no cycles: src/session/a.h > src/session/b.h > src/session/c.h > src/session/a.h"')

    def test_file_not_named_in_cmake(self):
        self.assert_only_offence(
            {"src/session/CMakeLists.txt": "offload_library(x SOURCES my_table.cc) # table.cc\n",
             "src/session/my_table.cc": "", "src/session/table.cc": ""},
            'src/session/table.cc:1: is not named in src/session/CMakeLists.txt: '
            'rule "each folder names its files one by one"')

    def test_long_file(self):
        self.assert_clean({"src/session/a.h": "\n" * 500})
        self.assert_only_offence(
            {"src/session/a.h": "\n" * 501},
            'src/session/a.h:501: has 501 lines: rule "at most 500 lines a file"')

    def test_comments_and_build_are_not_read(self):
        self.assert_clean({
            "src/session/a.h": '/*\n#include "engine/e.h"\n*/\n// #include "engine/e.h"\n',
            "build/x/gen.cc": '#include "anything/x.h"\n',
            ".cache/x.cc": '#include "anything/x.h"\n',
        })

    def test_line_after_a_block_comment_is_right(self):
        self.assert_only_offence(
            {"src/session/a.h": '/* two\nlines */\n#include "engine/e.h"\n', "src/engine/e.h": ""},
            'src/session/a.h:3: includes engine/e.h: rule "session -> base"')

    def test_empty_tree_fails(self):
        status, lines = run({})
        self.assertEqual(status, 1, lines)


if __name__ == "__main__":
    unittest.main()
