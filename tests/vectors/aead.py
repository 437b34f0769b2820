#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""ChaCha20-Poly1305 as RFC 8439 writes it, with integers and nothing else, for tunnel/aead. Prints tests/vectors/aead.txt, a line per
packet: key counter text sealed (- for no text); --check FILE compares with it.

The lengths are those around the blocks of cipher (64) and authenticator (16), around what vector code takes at once, and those
of packets; some one-time keys and texts bring the authenticator's sum to the edges of its modulus.
"""
import hashlib
import struct
import sys


def quarter(s, a, b, c, d):
    for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xffffffff
        v = s[z] ^ s[x]
        s[z] = (v << n | v >> (32 - n)) & 0xffffffff


def block(key: bytes, count: int, nonce: bytes) -> bytes:
    """Section 2.3."""
    start = list(struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key) + (count,) + struct.unpack("<3I", nonce))
    s = start[:]
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(s, a, b, c, d)
    return struct.pack("<16I", *((x + y) & 0xffffffff for x, y in zip(s, start)))


def stream(key: bytes, nonce: bytes, text: bytes) -> bytes:
    """Section 2.4, from block 1 on."""
    keys = b"".join(block(key, 1 + i, nonce) for i in range((len(text) + 63) // 64))
    return bytes(x ^ y for x, y in zip(text, keys))


def poly1305(key: bytes, message: bytes) -> bytes:
    """Section 2.5."""
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    total = 0
    for i in range(0, len(message), 16):
        total = (total + int.from_bytes(message[i:i + 16] + b"\x01", "little")) * r % ((1 << 130) - 5)
    return ((total + int.from_bytes(key[16:], "little")) & ((1 << 128) - 1)).to_bytes(16, "little")


def pad(b: bytes) -> bytes:
    return b + bytes(-len(b) % 16)


def seal(key: bytes, nonce: bytes, text: bytes, data: bytes = b"") -> bytes:
    """Section 2.8."""
    sealed = stream(key, nonce, text)
    message = pad(data) + pad(sealed) + struct.pack("<QQ", len(data), len(sealed))
    return sealed + poly1305(block(key, 0, nonce)[:32], message)


def rfc8439_holds() -> bool:
    """Section 2.8.2, and of appendix A.3 the vectors of Poly1305 at its edges."""
    text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
    sealed = seal(bytes(range(0x80, 0xa0)), bytes.fromhex("070000004041424344454647"), text, bytes.fromhex("50515253c0c1c2c3c4c5c6c7"))
    if sealed[:16].hex() != "d31a8d34648e60db7b86afbc53ef7ec2" or sealed[-16:].hex() != "1ae10b594f09e26a7e902ecbd0600691":
        return False
    edges = [
        (2, 0, "ff" * 16, "03"),
        (2, (1 << 128) - 1, "02" + "00" * 15, "03"),
        (1, 0, "ff" * 16 + "f0" + "ff" * 15 + "11" + "00" * 15, "05"),
        (1, 0, "ff" * 16 + "fb" + "fe" * 15 + "01" * 16, "00"),
        (2, 0, "fd" + "ff" * 15, "fa" + "ff" * 15),
    ]
    for r, s, message, tag in edges:
        if poly1305(r.to_bytes(16, "little") + s.to_bytes(16, "little"), bytes.fromhex(message)).hex() != tag.ljust(32, "0"):
            return False
    return True


def make(label: str, n: int) -> bytes:
    """Bytes that mean nothing, the same in every run."""
    return hashlib.shake_128(b"wgfido test vector: " + label.encode()).digest(n)


LENGTHS = [0, 1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 79, 127, 128, 129, 191, 192, 255, 256, 257, 319, 320, 383, 447,
           448, 449, 511, 512, 513, 575, 576, 640, 767, 768, 1023, 1024, 1025, 1088, 1280, 1408, 1420, 1424, 1437, 1440, 1500]
COUNTERS = [0, 1, 0xff, 0xffffffff, 0x100000000, 0x0102030405060708, 0xffffffffffffdffe]


def edge_text(key: bytes, nonce: bytes, blocks: list) -> bytes:
    """A text whose ciphertext is these blocks: the authenticator then adds what the cipher would hide."""
    return stream(key, nonce, b"".join(blocks))


def vectors():
    for i, n in enumerate(LENGTHS):
        yield make(f"aead key {i}", 32), COUNTERS[i % len(COUNTERS)], make(f"aead text {i}", n)
    for i, blocks in enumerate(([b"\xff" * 16] * 33, [b"\x00" * 16] * 33, [b"\xfb" + b"\xff" * 15, b"\x01" + bytes(15)] * 20,
                                [b"\xff" * 16] * 5 + [b"\xff" * 7])):
        key = make(f"aead edge {i}", 32)
        yield key, i, edge_text(key, bytes(4) + struct.pack("<Q", i), blocks)


def lines() -> str:
    out = []
    for key, counter, text in vectors():
        sealed = seal(key, bytes(4) + struct.pack("<Q", counter), text)
        out.append(f"{key.hex()} {counter:016x} {text.hex() or '-'} {sealed.hex()}\n")
    return "".join(out)


def main():
    if not rfc8439_holds():
        print("aead.py: this is not RFC 8439")
        return 1
    if sys.argv[1:2] == ["--check"]:
        with open(sys.argv[2], encoding="ascii") as f:
            if f.read() != lines():
                print(f"{sys.argv[2]}: not what the independent code makes")
                return 1
        return 0
    sys.stdout.write(lines())
    return 0


if __name__ == "__main__":
    sys.exit(main())
