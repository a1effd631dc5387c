#!/usr/bin/python3
"""A firewall's side of the OpenOffload API in Python: adds one session, and with "wait" stays until its
closed record is there. Needs python3-grpcio and python3-grpc-tools.

usage: firewall_client.py SERVER ID IN_LIF OUT_LIF tcp|udp SRC SPORT DST DPORT TIMEOUT [wait]
"""
import os
import socket
import struct
import sys
import tempfile
import time

import grpc
from grpc_tools import protoc


def load_api():
    """Generates the stubs from the project's proto file, as `protoc` would at build time."""
    proto = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "proto")
    out = tempfile.mkdtemp()
    protoc.main(["protoc", f"-I{proto}", "-I/usr/include", f"--python_out={out}", f"--grpc_python_out={out}",
                 "openoffload_v1.proto"])
    sys.path.insert(0, out)
    import openoffload_v1_pb2
    import openoffload_v1_pb2_grpc
    return openoffload_v1_pb2, openoffload_v1_pb2_grpc


def in_addr(address):
    """v1 sends the in_addr as it is, read as a little-endian integer."""
    return struct.unpack("<I", socket.inet_aton(address))[0]


def main():
    if len(sys.argv) < 11:
        sys.exit(__doc__)
    server, number, in_lif, out_lif, protocol, source, sport, destination, dport, timeout = sys.argv[1:11]
    api, services = load_api()
    stub = services.SessionTableStub(grpc.insecure_channel(server))
    request = api.sessionRequest(
        sessionId=int(number), inLif=int(in_lif), outLif=int(out_lif),
        protocolId=api._TCP if protocol == "tcp" else api._UDP,
        sourceIp=in_addr(source), sourcePort=int(sport),
        destinationIp=in_addr(destination), destinationPort=int(dport),
        cacheTimeout=int(timeout), action=api.actionParameters(actionType=api._FORWARD))
    answer = stub.addSession(iter([request]))
    if answer.responseError:
        sys.exit(f"not added: {answer}")
    print(f"added: session {number}", flush=True)
    while len(sys.argv) > 11:
        for record in stub.getClosedSessions(api.sessionRequestArgs()):
            print(f"closed: session {record.sessionId} {api.SESSION_CLOSE_CODE.Name(record.sessionCloseCode)} "
                  f"in {record.inPackets} packets {record.inBytes} bytes "
                  f"out {record.outPackets} packets {record.outBytes} bytes", flush=True)
            if record.sessionId == int(number):
                return
        time.sleep(0.2)


main()
