#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""memory-has.py STATE PUBLIC-KEY PID: is the private key of this public key, which is somewhere in the software token's file
STATE, anywhere in the memory of process PID? 0 yes, 1 no; 2 when it cannot be told."""
import base64
import ctypes
import ctypes.util
import re
import sys


def private_key(state, public):
    """Of all 32 bytes there, those that are it."""
    sodium = ctypes.CDLL(ctypes.util.find_library("sodium"))
    made = ctypes.create_string_buffer(32)
    for at in range(len(state) - 31):
        key = state[at:at + 32]
        sodium.crypto_scalarmult_base(made, key)
        if made.raw == public:
            return key
    sys.exit("memory-has: the file has no such key")


def forms(key):
    """As it is kept, and as X25519 uses it."""
    return key, bytes([key[0] & 248]) + key[1:31] + bytes([key[31] & 127 | 64])


def has(pid, key):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            begin, end, name = re.match(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+\s*(.*)", line).groups()
            # The sanitizers' shadow is terabytes of nothing.
            if name in ("[vvar]", "[vsyscall]") or int(end, 16) - int(begin, 16) > 1 << 32:
                continue
            try:
                memory.seek(int(begin, 16))
                content = memory.read(int(end, 16) - int(begin, 16))
            except OSError:
                continue  # a guard page
            if any(form in content for form in forms(key)):
                return True
    return False


def main():
    with open(sys.argv[1], "rb") as f:
        key = private_key(f.read(), base64.b64decode(sys.argv[2]))
    try:
        return 0 if has(int(sys.argv[3]), key) else 1
    except OSError as e:
        print(e, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
