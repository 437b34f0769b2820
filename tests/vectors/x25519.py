#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""wgX25519 from its specification (docs/ctaphid-x25519.md) and that of the Noise Protocol Framework, revision 34, without
a line of the code under test. Prints tests/vectors/x25519.txt; --check FILE compares with it, and --document FILE looks
for the same lines in that file's last code block.
"""
import hashlib
import hmac
import struct
import sys

from keyfile import chacha20, chacha20_block, pad16, poly1305, standards_hold
from schedule import rfc7748_holds, x25519

OK, NO_CHANNEL, SLOT_EMPTY, BAD_POINT = 0x00, 0x08, 0x06, 0x0b
HELLO, PUBLIC, GENERATE, IMPORT, DH, ERASE, PAIR, CHANNEL, SEALED, UNPAIR = range(1, 11)
NEVER, CACHED, ALWAYS = range(3)
IMPORTED = 0x80


def public(private: bytes) -> bytes:
    return x25519(private, bytes([9]) + bytes(31))


def aead(key: bytes, counter: int, ad: bytes, plain: bytes) -> bytes:
    """RFC 8439 section 2.8, with Noise's nonce (section 12.3)."""
    nonce = bytes(4) + struct.pack("<Q", counter)
    cipher = chacha20(key, 1, nonce, plain)
    mac = pad16(ad) + pad16(cipher) + struct.pack("<QQ", len(ad), len(cipher))
    return cipher + poly1305(chacha20_block(key, 0, nonce)[:32], mac)


def aead_open(key: bytes, counter: int, ad: bytes, sealed: bytes) -> bytes:
    nonce = bytes(4) + struct.pack("<Q", counter)
    plain = chacha20(key, 1, nonce, sealed[:-16])
    assert aead(key, counter, ad, plain) == sealed
    return plain


class Cipher:
    """Section 5.1, CipherState."""

    def __init__(self, key=None):
        self.key, self.n = key, 0

    def encrypt(self, ad, plain):
        if self.key is None:
            return plain
        self.n += 1
        return aead(self.key, self.n - 1, ad, plain)

    def decrypt(self, ad, data):
        if self.key is None:
            return data
        self.n += 1
        return aead_open(self.key, self.n - 1, ad, data)


def hkdf(chaining_key, material):
    """Section 4.3, two outputs."""
    temp = hmac.digest(chaining_key, material, "sha256")
    one = hmac.digest(temp, b"\x01", "sha256")
    return one, hmac.digest(temp, one + b"\x02", "sha256")


class Party:
    """Section 5.3, HandshakeState, for patterns whose static keys are all known before."""
    NAME = b"Noise_KK_25519_ChaChaPoly_SHA256"
    PATTERN = (("e", "es", "ss"), ("e", "ee", "se"))

    def __init__(self, initiator, prologue, s, rs, e):
        self.initiator, self.s, self.rs, self.e, self.re = initiator, s, rs, e, None
        self.h = self.NAME if len(self.NAME) <= 32 else hashlib.sha256(self.NAME).digest()
        self.ck, self.cipher = self.h, Cipher()
        self.mix_hash(prologue)
        for key in (public(s), rs) if initiator else (rs, public(s)):
            self.mix_hash(key)

    def mix_hash(self, data):
        self.h = hashlib.sha256(self.h + data).digest()

    def mix_key(self, material):
        self.ck, key = hkdf(self.ck, material)
        self.cipher = Cipher(key)

    def dh(self, token):
        """The first letter is the initiator's key, the second the responder's."""
        mine, theirs = token if self.initiator else reversed(token)
        private = self.e if mine == "e" else self.s
        self.mix_key(x25519(private, self.re if theirs == "e" else self.rs))

    def write(self, tokens):
        out = b""
        for token in tokens:
            if token == "e":
                out += public(self.e)
                self.mix_hash(public(self.e))
            else:
                self.dh(token)
        sealed = self.cipher.encrypt(self.h, b"")
        self.mix_hash(sealed)
        return out + sealed

    def read(self, tokens, message):
        for token in tokens:
            if token == "e":
                self.re, message = message[:32], message[32:]
                self.mix_hash(self.re)
            else:
                self.dh(token)
        assert self.cipher.decrypt(self.h, message) == b""
        self.mix_hash(message)

    def split(self):
        return tuple(Cipher(key) for key in hkdf(self.ck, b""))


def make(label):
    return hashlib.sha256(b"wgX25519 vector: " + label.encode()).digest()


def lines():
    host, token = make("host channel key"), make("token channel key")
    host_e, token_e = make("host ephemeral key"), make("token ephemeral key")
    imported, generated, peer = make("imported key"), make("generated key"), make("peer")
    yield "host.private", host
    yield "host.public", public(host)
    yield "host.ephemeral", host_e
    yield "token.private", token
    yield "token.public", public(token)
    yield "token.ephemeral", token_e
    yield "imported.private", imported
    yield "generated.private", generated
    yield "peer.private", peer
    yield "peer.public", public(peer)

    oldest, newest, features, slots, hosts, index = 1, 1, 7, 8, 4, 1
    nonce = make("nonce")[:8]
    yield "hello.request", bytes([HELLO]) + nonce
    yield "hello.answer", (bytes([HELLO, OK]) + nonce + bytes([oldest, newest]) + struct.pack("<I", features) +
                           bytes([slots, hosts]) + struct.pack("<I", 0) + public(token))
    yield "pair-another-host.request", bytes([PAIR]) + public(make("another host"))
    yield "pair-another-host.answer", bytes([PAIR, OK, 0]) + public(token)
    yield "pair.request", bytes([PAIR]) + public(host)
    yield "pair.answer", bytes([PAIR, OK, index]) + public(token)

    prologue = b"wgX25519 channel" + struct.pack("<BBBBIBB", 1, index, oldest, newest, features, slots, hosts)
    assert len(prologue) == 26
    yield "channel.prologue", prologue
    initiator = Party(True, prologue, host, public(token), host_e)
    responder = Party(False, prologue, token, public(host), token_e)
    one = initiator.write(Party.PATTERN[0])
    responder.read(Party.PATTERN[0], one)
    two = responder.write(Party.PATTERN[1])
    initiator.read(Party.PATTERN[1], two)
    assert initiator.h == responder.h and initiator.ck == responder.ck
    yield "channel.request", bytes([CHANNEL, 1, index]) + one
    yield "channel.answer", bytes([CHANNEL, OK]) + two
    yield "channel.hash", initiator.h
    to_token, to_host = initiator.split()
    yield "channel.host-to-token", to_token.key
    yield "channel.token-to-host", to_host.key

    def sealed(name, request, answer):
        yield name + ".inner.request", request
        yield name + ".request", bytes([SEALED]) + to_token.encrypt(b"", request)
        yield name + ".inner.answer", answer
        yield name + ".answer", bytes([SEALED, OK]) + to_host.encrypt(b"", answer)

    of_imported = bytes([0, NEVER | IMPORTED, index]) + struct.pack("<H", 0) + public(imported)
    of_generated = bytes([1, CACHED, index]) + struct.pack("<H", 300) + public(generated)
    product = x25519(imported, public(peer))
    assert product == x25519(peer, public(imported))
    yield from sealed("import", bytes([IMPORT, 0, NEVER, 0, 0, 0]) + imported, bytes([IMPORT, OK]) + of_imported)
    yield from sealed("generate", bytes([GENERATE, 1, CACHED]) + struct.pack("<H", 300) + bytes([0]),
                      bytes([GENERATE, OK]) + of_generated)
    yield from sealed("public", bytes([PUBLIC, 1]), bytes([PUBLIC, OK]) + of_generated)
    yield from sealed("dh-imported", bytes([DH, 0]) + public(peer), bytes([DH, OK]) + product)
    yield from sealed("dh-generated", bytes([DH, 1]) + public(peer), bytes([DH, OK]) + x25519(generated, public(peer)))
    yield from sealed("dh-low-order", bytes([DH, 0, 1]) + bytes(31), bytes([DH, BAD_POINT]))
    yield from sealed("dh-empty", bytes([DH, 7]) + public(peer), bytes([DH, SLOT_EMPTY]))
    yield "dh-in-the-clear.request", bytes([DH, 1]) + public(peer)
    yield "dh-in-the-clear.answer", bytes([DH, NO_CHANNEL])
    yield "public-in-the-clear.request", bytes([PUBLIC, 0])
    yield "public-in-the-clear.answer", bytes([PUBLIC, OK]) + of_imported
    yield from sealed("erase", bytes([ERASE, 0]), bytes([ERASE, OK]))
    yield from sealed("unpair", bytes([UNPAIR, index]), bytes([UNPAIR, OK]))
    yield "after-unpair.request", bytes([SEALED]) + to_token.encrypt(b"", bytes([PUBLIC, 1]))
    yield "after-unpair.answer", bytes([SEALED, NO_CHANNEL])


def main() -> int:
    if not rfc7748_holds() or not standards_hold():
        print("the primitives do not give the standards' vectors", file=sys.stderr)
        return 1
    text = "".join(f"{name} {value.hex()}\n" for name, value in lines())
    if len(sys.argv) == 3 and sys.argv[1] in ("--check", "--document"):
        with open(sys.argv[2], encoding="utf-8") as f:
            kept = f.read()
        if sys.argv[1] == "--document":
            block = kept.rstrip("\n").split("\n\n")[-1]
            kept = "".join(line.removeprefix("    ") + "\n" for line in block.split("\n"))
        if kept != text:
            print(f"{sys.argv[2]} does not have the lines that x25519.py makes", file=sys.stderr)
            return 1
        return 0
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
