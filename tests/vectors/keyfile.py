#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A key file made from the description in daemon/keystore.h and keystore.c, without libsodium, jansson or a line of the code
under test: XChaCha20-Poly1305 as RFC 8439 and draft-irtf-cfrg-xchacha write it. Prints tests/vectors/keyfile.json; --check
FILE compares with it.
"""
import base64
import hashlib
import json
import struct
import sys

from schedule import kdf, x25519

M = 0xffffffff


def rounds(state):
    def quarter(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & M
            s[z] ^= s[x]
            s[z] = ((s[z] << n) | (s[z] >> (32 - n))) & M
    s = list(state)
    for _ in range(10):
        for q in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                  (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(*q)
    return s


CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


def hchacha20(key, nonce16):
    s = rounds(CONSTANTS + struct.unpack("<8I", key) + struct.unpack("<4I", nonce16))
    return struct.pack("<8I", *(s[:4] + s[12:]))


def chacha20_block(key, counter, nonce12):
    start = CONSTANTS + struct.unpack("<8I", key) + (counter,) + struct.unpack("<3I", nonce12)
    return struct.pack("<16I", *((a + b) & M for a, b in zip(start, rounds(start))))


def chacha20(key, counter, nonce12, data):
    stream = b"".join(chacha20_block(key, counter + i, nonce12) for i in range(len(data) // 64 + 1))
    return bytes(a ^ b for a, b in zip(data, stream))


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    acc = 0
    for i in range(0, len(message), 16):
        acc = (acc + int.from_bytes(message[i:i + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((acc + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def pad16(data):
    return data + bytes(-len(data) % 16)


def xchacha20poly1305(key, nonce, plain, ad):
    subkey, nonce12 = hchacha20(key, nonce[:16]), bytes(4) + nonce[16:]
    cipher = chacha20(subkey, 1, nonce12, plain)
    mac = pad16(ad) + pad16(cipher) + struct.pack("<QQ", len(ad), len(cipher))
    return cipher + poly1305(chacha20_block(subkey, 0, nonce12)[:32], mac)


def standards_hold():
    """RFC 8439 2.3.2 and 2.5.2; draft-irtf-cfrg-xchacha-03 2.2.1 and A.3.1."""
    key = bytes(range(32))
    text = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen "
            b"would be it.")
    sealed = xchacha20poly1305(bytes(range(0x80, 0xa0)), bytes(range(0x40, 0x58)), text,
                               bytes.fromhex("50515253c0c1c2c3c4c5c6c7"))
    return (chacha20_block(key, 1, bytes.fromhex("000000090000004a00000000"))[:16].hex() ==
            "10f1e7e4d13b5915500fdd1fa32071c4" and
            poly1305(bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"),
                     b"Cryptographic Forum Research Group").hex() == "a8061dc1305136c6c22b8baf0c0127a9" and
            hchacha20(key, bytes.fromhex("000000090000004a0000000031415927")).hex() ==
            "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc" and
            sealed[-16:].hex() == "c0875924c1c7987947deafd8780acf49")


def field(data):
    return struct.pack("<I", len(data)) + data


def number(n):
    return field(struct.pack("<Q", n))


def b64(data):
    return base64.b64encode(data).decode()


def generichash(key, message):
    return hashlib.blake2b(message, digest_size=32, key=key).digest()


def make():
    t = bytes(range(0x40, 0x60))
    public = x25519(t, bytes([9]) + bytes(31))
    salt = bytes(range(0xa0, 0xc0))
    header = field(b"wgfido key file") + number(1) + field(b"wg0") + number(0) + number(0) + field(public) + field(salt)

    slots, listed = [], b""
    for slot in (
        {"id": 1, "type": "hmac-secret", "label": "the blue one", "created": 1700000000, "uv": "pin",
         "aaguid": bytes(range(16)), "credential_id": bytes(range(100)), "credential_public_key": bytes(range(64)),
         "secret": bytes(range(0xe0, 0x100))},
        {"id": 3, "type": "recovery", "label": "recovery code", "created": 1700000077, "secret": bytes(range(1, 21))},
    ):
        kind = {"hmac-secret": 0, "recovery": 1}[slot["type"]]
        own = number(slot["id"]) + number(kind) + field(slot["label"].encode()) + number(slot["created"])
        if kind == 0:
            own += number({"presence": 0, "pin": 1}[slot["uv"]])
            own += b"".join(field(slot[n]) for n in ("aaguid", "credential_id", "credential_public_key"))
        kek = generichash(slot.pop("secret"), b"wgfido keyslot v1" + salt)
        nonce = bytes([slot["id"]] * 24)
        slot["nonce"], slot["wrapped"] = nonce, xchacha20poly1305(kek, nonce, t, header + own)
        listed += own + field(nonce) + field(slot["wrapped"])
        slots.append({n: b64(v) if isinstance(v, bytes) else v for n, v in slot.items()})

    mac = generichash(kdf(t, 1, b"wgfSlots"), header + number(4) + number(len(slots)) + listed)
    return json.dumps({"version": 1, "interface": "wg0", "mode": "psk", "held": "wrapped", "public_key": b64(public),
                       "salt": b64(salt), "next_slot_id": 4, "slots": slots, "slots_mac": b64(mac)}, indent=2) + "\n"


def main():
    if not standards_hold():
        print("the independent code is itself wrong", file=sys.stderr)
        return 1
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        with open(sys.argv[2], encoding="ascii") as file:
            return 0 if file.read() == make() else 1
    print(make(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
