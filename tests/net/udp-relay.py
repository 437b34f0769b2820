#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A bad line for UDP: udp-relay.py PORT TO-ADDRESS TO-PORT SEED LOSS DUPLICATE REORDER
Listens on 127.0.0.1:PORT; what comes from there goes to TO, and back. LOSS, DUPLICATE and REORDER are shares of 1; a packet
that is reordered comes after up to eight later ones, or after 20 ms. The same seed gives the same decisions."""

import random
import selectors
import socket
import sys
import time

port, to_address, to_port, seed = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
loss, duplicate, reorder = (float(a) for a in sys.argv[5:8])
chance = random.Random(seed)


class Way:
    """One direction."""

    def __init__(self):
        self.held = []  # [packets still to go by, deadline, data]

    def pass_on(self, data):
        if chance.random() < loss:
            return
        copies = 2 if chance.random() < duplicate else 1
        for _ in range(copies):
            if chance.random() < reorder:
                self.held.append([chance.randint(1, 8), time.monotonic() + 0.02, data])
            else:
                self.send(data)
        for held in self.held:
            held[0] -= 1
        self.release()

    def release(self):
        now = time.monotonic()
        due = [h for h in self.held if h[0] <= 0 or h[1] <= now]
        self.held = [h for h in self.held if not (h[0] <= 0 or h[1] <= now)]
        for h in due:
            self.send(h[2])


near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
near.bind(("127.0.0.1", port))
far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
far.connect((to_address, to_port))
for s in near, far:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
client = None
there, back = Way(), Way()


def send_there(data):
    try:
        far.send(data)
    except OSError:
        pass


def send_back(data):
    if client:
        near.sendto(data, client)


there.send, back.send = send_there, send_back
selector = selectors.DefaultSelector()
selector.register(near, selectors.EVENT_READ)
selector.register(far, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in selector.select(0.01):
        try:
            if key.fileobj is near:
                packet, client = near.recvfrom(65536)
                there.pass_on(packet)
            else:
                back.pass_on(far.recv(65536))
        except OSError:
            pass
    there.release()
    back.release()
