#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The PSK schedule (common/schedule.h) once more, without libsodium and without a line of the code under test: BLAKE2b
from hashlib, X25519 as RFC 7748 section 5 writes it. Prints tests/vectors/schedule.txt; --check FILE compares with it.
"""
import hashlib
import sys

P = 2**255 - 19
A24 = 121665


def x25519(k: bytes, u: bytes) -> bytes:
    """RFC 7748, section 5: the Montgomery ladder."""
    scalar = int.from_bytes(k, "little")
    scalar &= ~7
    scalar &= (1 << 255) - 1
    scalar |= 1 << 254
    x_1 = (int.from_bytes(u, "little") & ((1 << 255) - 1)) % P
    x_2, z_2, x_3, z_3, swap = 1, 0, x_1, 1, 0
    for t in range(254, -1, -1):
        k_t = scalar >> t & 1
        swap ^= k_t
        if swap:
            x_2, x_3, z_2, z_3 = x_3, x_2, z_3, z_2
        swap = k_t
        a = (x_2 + z_2) % P
        aa = a * a % P
        b = (x_2 - z_2) % P
        bb = b * b % P
        e = (aa - bb) % P
        c = (x_3 + z_3) % P
        d = (x_3 - z_3) % P
        da = d * a % P
        cb = c * b % P
        x_3 = (da + cb) ** 2 % P
        z_3 = x_1 * (da - cb) ** 2 % P
        x_2 = aa * bb % P
        z_2 = e * (aa + A24 * e) % P
    if swap:
        x_2, x_3, z_2, z_3 = x_3, x_2, z_3, z_2
    return (x_2 * pow(z_2, P - 2, P) % P).to_bytes(32, "little")


def rfc7748_holds() -> bool:
    """Section 5.2: two single vectors, and the iterated one after 1 and 1,000 rounds."""
    single = [
        ("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
         "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
         "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"),
        ("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
         "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
         "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"),
    ]
    for k, u, out in single:
        if x25519(bytes.fromhex(k), bytes.fromhex(u)).hex() != out:
            return False
    k = u = bytes([9]) + bytes(31)
    for i in range(1000):
        k, u = x25519(k, u), k
        if i == 0 and k.hex() != "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079":
            return False
    return k.hex() == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"


def kdf(key: bytes, subkey_id: int, context: bytes) -> bytes:
    """crypto_kdf_derive_from_key, by libsodium's documentation: BLAKE2b-subkeylen(key=key, message={},
    salt=subkey_id || {0}, personal=ctx || {0})."""
    assert len(context) == 8
    return hashlib.blake2b(b"", digest_size=32, key=key, salt=subkey_id.to_bytes(8, "little") + bytes(8),
                           person=context + bytes(8)).digest()


def generichash(message: bytes, key: bytes = b"") -> bytes:
    return hashlib.blake2b(message, digest_size=32, key=key).digest()


def make(label: str) -> bytes:
    """Bytes that mean nothing, the same in every run."""
    return hashlib.sha256(b"wgfido test vector: " + label.encode()).digest()


def public(k: bytes) -> bytes:
    return x25519(k, bytes([9]) + bytes(31))


def root_of(shared, t_pub, c_pub, s_pub, static):
    return generichash(b"wgfido psk v1" + t_pub + c_pub + s_pub + static, key=shared)


def clamp(k: bytes) -> bytes:
    return bytes([k[0] & 248]) + k[1:31] + bytes([(k[31] & 127) | 64])


def window_private(s, first_epoch, epochs):
    return kdf(kdf(clamp(s), epochs, b"wgfWinLn"), first_epoch, b"wgfWinSt")


def window_root_of(shared, t_pub, c_pub, s_pub, first_epoch, epochs, static):
    bounds = first_epoch.to_bytes(8, "little") + epochs.to_bytes(8, "little")
    return generichash(b"wgfido psk window v1" + t_pub + c_pub + s_pub + bounds + static, key=shared)


def psk_of(root, slot_seconds, unix_time):
    epoch, rest = divmod(unix_time, 3600)
    link = kdf(kdf(root, epoch, b"wgfEpoch"), 0, b"wgfChain")
    for _ in range(rest // slot_seconds):
        link = kdf(link, 1, b"wgfChain")
    return kdf(link, 2, b"wgfChain")


def lines():
    yield "# Made by schedule.py. Keys in hex."
    yield "# public PRIVATE PUBLIC"
    yield "# root t s T C S STATIC|- SHARED ROOT STATIC_PSK"
    yield "# slot ROOT SLOT_SECONDS UNIX_TIME EPOCH INDEX PSK"
    yield "# both PSK_A TOKEN_PUBLIC_A PSK_B TOKEN_PUBLIC_B COMBINED"
    yield "# low-order POINT"
    yield "# window t s T C S STATIC|- START END G_PRIVATE G SHARED ROOT"
    roots = []
    for i in range(4):
        t, s, c = make(f"t {i}"), make(f"s {i}"), make(f"c {i}")
        static = make(f"static {i}") if i % 2 else b""
        t_pub, s_pub, c_pub = public(t), public(s), public(c)
        shared = x25519(t, s_pub)
        assert shared == x25519(s, t_pub)
        root = root_of(shared, t_pub, c_pub, s_pub, static)
        roots.append(root)
        yield f"public {t.hex()} {t_pub.hex()}"
        yield (f"root {t.hex()} {s.hex()} {t_pub.hex()} {c_pub.hex()} {s_pub.hex()} {static.hex() or '-'} "
               f"{shared.hex()} {root.hex()} {kdf(root, 0, b'wgfStatc').hex()}")
    times = [0, 119, 120, 3599, 3600, 1700000000, 1732153200, 1732153200 + 3599, 2**32 + 12345, 253402300799]
    for i, root in enumerate(roots[:2]):
        for slot_seconds in (120, 60, 2) if i == 0 else (120,):
            for when in times:
                psk = psk_of(root, slot_seconds, when)
                yield f"slot {root.hex()} {slot_seconds} {when} {when // 3600} {when % 3600 // slot_seconds} {psk.hex()}"
    for i in range(3):
        psk = [make(f"psk a {i}"), make(f"psk b {i}")]
        token = [public(make(f"token a {i}")), public(make(f"token b {i}"))]
        pairs = sorted(zip(token, psk))
        both = generichash(b"wgfido both" + pairs[0][1] + pairs[1][1])
        yield f"both {psk[0].hex()} {token[0].hex()} {psk[1].hex()} {token[1].hex()} {both.hex()}"
    for i, (first_epoch, epochs) in enumerate(((0, 24), (480000, 24), (480000, 12), (480004, 24), (70389504, 168))):
        t, s, c = make(f"t {i % 2}"), make(f"s {i % 2}"), make(f"c {i % 2}")
        static = make(f"static {i}") if i % 2 else b""
        t_pub, s_pub, c_pub = public(t), public(s), public(c)
        g = window_private(s, first_epoch, epochs)
        assert g == window_private(clamp(s), first_epoch, epochs)
        shared = x25519(t, public(g))
        assert shared == x25519(g, t_pub)
        root = window_root_of(shared, t_pub, c_pub, s_pub, first_epoch, epochs, static)
        yield (f"window {t.hex()} {s.hex()} {t_pub.hex()} {c_pub.hex()} {s_pub.hex()} {static.hex() or '-'} "
               f"{first_epoch * 3600} {(first_epoch + epochs) * 3600} {g.hex()} {public(g).hex()} {shared.hex()} {root.hex()}")
    # The points of low order and what is congruent to them (a multiple of 8 times any of them is the neutral element).
    for point in (0, 1, P - 1, P, P + 1,
                  325606250916557431795983626356110631294008115727848805560023387167927233504,
                  39382357235489614581723060781553021112529911719440698176882885853963445705823):
        encoded = point.to_bytes(32, "little")
        assert x25519(make("any"), encoded) == bytes(32)
        yield f"low-order {encoded.hex()}"


def main() -> int:
    if not rfc7748_holds():
        print("X25519 does not give the vectors of RFC 7748", file=sys.stderr)
        return 1
    text = "".join(line + "\n" for line in lines())
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        with open(sys.argv[2], encoding="ascii") as kept:
            if kept.read() != text:
                print(f"{sys.argv[2]} is not what schedule.py makes", file=sys.stderr)
                return 1
        return 0
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
