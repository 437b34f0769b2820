#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""tcp-copy.py listen ADDRESS PORT: takes one connection, echoes a hash of all that came and ends.
tcp-copy.py send ADDRESS PORT BYTES SEED: sends that many random bytes; status 0 when the other end got just these."""

import hashlib
import random
import socket
import sys

what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
if what == "listen":
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen(1)
    print("ready", flush=True)
    connection, _ = server.accept()
    digest = hashlib.sha256()
    while data := connection.recv(1 << 16):
        digest.update(data)
    connection.sendall(digest.digest())
    connection.close()
else:
    data = random.Random(int(sys.argv[5])).randbytes(int(sys.argv[4]))
    connection = socket.create_connection((address, port), timeout=600)
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
    answer = b""
    while more := connection.recv(64):
        answer += more
    sys.exit(0 if answer == hashlib.sha256(data).digest() else 1)
