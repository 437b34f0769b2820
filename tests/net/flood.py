#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""flood.py ADDRESS PORT PUBLIC-KEY: handshake initiations that nobody can open, but whose mac1 is right (WireGuard whitepaper,
5.4.4), until SIGTERM. Prints a line when the first cookie reply (type 3, 64 bytes) came back, and at the end how many were sent,
how many cookie replies came, and how many other packets."""

import base64
import hashlib
import os
import signal
import socket
import struct
import sys
import time

address, port, key = sys.argv[1], int(sys.argv[2]), base64.b64decode(sys.argv[3])
goes_on = True


def on_end(_signal, _frame):
    global goes_on
    goes_on = False


signal.signal(signal.SIGTERM, on_end)
mac1_key = hashlib.blake2s(b"mac1----" + key).digest()


def initiation():
    body = struct.pack("<II", 1, int.from_bytes(os.urandom(4), "little")) + os.urandom(32 + 48 + 28)
    return body + hashlib.blake2s(body, key=mac1_key, digest_size=16).digest() + bytes(16)


s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
s.connect((address, port))
s.setblocking(False)
several = [initiation() for _ in range(64)]
sent = cookies = others = 0


def look():
    global cookies, others
    try:
        while True:
            answer = s.recv(2048)
            if len(answer) == 64 and answer[:4] == b"\3\0\0\0":
                cookies += 1
                if cookies == 1:
                    print("cookie", flush=True)
            else:
                others += 1
    except (BlockingIOError, ConnectionRefusedError):
        pass


while goes_on:
    for packet in several:
        try:
            s.send(packet)
            sent += 1
        except OSError:
            pass
    look()
time.sleep(0.3)
look()
print(sent, cookies, others)
