#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The handshake of WireGuard as section 5.4 of its whitepaper writes it, without a line of the code under test, for
tunnel/noise and tunnel/cookie. BLAKE2s and HMAC from Python, X25519 and ChaCha20-Poly1305 from the other vectors' integers,
HChaCha20 by draft-irtf-cfrg-xchacha. Prints tests/vectors/noise.txt: lines "name hex", an empty line behind each handshake;
--check FILE compares with it.
"""
import hashlib
import hmac
import struct
import sys

from aead import quarter, rfc8439_holds, seal
from schedule import clamp, public, rfc7748_holds, x25519

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"


def digest(data: bytes) -> bytes:
    return hashlib.blake2s(data).digest()


def mac(key: bytes, data: bytes) -> bytes:
    return hashlib.blake2s(data, digest_size=16, key=key).digest()


def kdf(n: int, key: bytes, data: bytes) -> list:
    secret, out = hmac.new(key, data, hashlib.blake2s).digest(), [b""]
    for i in range(1, n + 1):
        out.append(hmac.new(secret, out[-1] + bytes([i]), hashlib.blake2s).digest())
    return out[1:]


def aead(key: bytes, plain: bytes, data: bytes) -> bytes:
    return seal(key, bytes(12), plain, data)


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """draft-irtf-cfrg-xchacha-03, section 2.2."""
    s = list(struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key) + struct.unpack("<4I", nonce))
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(s, a, b, c, d)
    return struct.pack("<8I", *(s[:4] + s[12:]))


def xaead(key: bytes, nonce: bytes, plain: bytes, data: bytes) -> bytes:
    return seal(hchacha20(key, nonce[:16]), bytes(4) + nonce[16:], plain, data)


def xchacha_holds() -> bool:
    """Section 2.2.1."""
    return hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927")).hex() == \
        "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"


def make(label: str, n: int = 32) -> bytes:
    return hashlib.shake_256(b"noise vectors " + label.encode()).digest(n)


def handshake(number: int, psk: bytes, cookie: bool) -> list:
    name = f"{number}:"
    s_i, s_r = clamp(make(name + "s_i")), clamp(make(name + "s_r"))
    e_i, e_r = make(name + "e_i"), make(name + "e_r")
    p_i, p_r = public(s_i), public(s_r)
    i_i, i_r = make(name + "i_i", 4), make(name + "i_r", 4)
    timestamp = struct.pack(">QI", 0x400000000000000a + 1790000000 + number, 0x11000000)
    out = [("initiator_static", s_i), ("responder_static", s_r), ("initiator_ephemeral", e_i), ("responder_ephemeral", e_r),
           ("psk", psk), ("timestamp", timestamp), ("initiator_index", i_i), ("responder_index", i_r)]

    c = digest(CONSTRUCTION)
    h = digest(digest(c + IDENTIFIER) + p_r)
    m = b"\x01\0\0\0" + i_i + public(e_i)
    c, = kdf(1, c, public(e_i))
    h = digest(h + public(e_i))
    c, k = kdf(2, c, x25519(e_i, p_r))
    static = aead(k, p_i, h)
    h = digest(h + static)
    c, k = kdf(2, c, x25519(s_i, p_r))
    sealed = aead(k, timestamp, h)
    h = digest(h + sealed)
    m += static + sealed

    # A cookie: given out for an earlier message with this mac1, to 192.0.2.7:51820.
    secret, nonce = make(name + "secret"), make(name + "nonce", 24)
    tau = mac(secret, bytes([192, 0, 2, 7]) + struct.pack(">H", 51820))
    mac1 = mac(digest(b"mac1----" + p_r), m)
    reply = b"\x03\0\0\0" + i_i + nonce + xaead(digest(b"cookie--" + p_r), nonce, tau, mac1)
    m += mac1
    m += mac(tau, m) if cookie else bytes(16)
    out += [("initiation", m), ("cookie_secret", secret), ("cookie_reply", reply)]

    m = b"\x02\0\0\0" + i_r + i_i + public(e_r)
    c, = kdf(1, c, public(e_r))
    h = digest(h + public(e_r))
    c, = kdf(1, c, x25519(e_r, public(e_i)))
    c, = kdf(1, c, x25519(e_r, p_i))
    c, t, k = kdf(3, c, psk)
    h = digest(h + t)
    m += aead(k, b"", h)
    m += mac(digest(b"mac1----" + p_i), m) + bytes(16)
    to_responder, to_initiator = kdf(2, c, b"")
    return out + [("response", m), ("keys", to_responder + to_initiator)]


def lines() -> str:
    out = []
    for number in range(8):
        psk = make(f"{number}:psk") if number % 2 else bytes(32)
        out += [f"{name} {value.hex()}\n" for name, value in handshake(number, psk, number % 3 == 2)] + ["\n"]
    return "".join(out)


def main() -> int:
    if not (rfc7748_holds() and rfc8439_holds() and xchacha_holds()):
        print("noise.py: the primitives are not those of their documents")
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
