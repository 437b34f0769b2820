#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Smart cards as tokens of the broker: seen as they come and go, adopted, approved with a PIN, and ended. The real worker and monitor, with
readers of the tests' own in pcscd's place (tests/card/readers)."""
import base64
import hashlib
import os
import sys

import dbus

from broker_case import TUNNEL, BrokerCase, read_pipe, subprocess, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors"))
from schedule import x25519  # noqa: E402, the independent one

BUILD = os.environ.get("top_builddir", ".")
BASE = bytes([9]) + bytes(31)
TOKEN = "org.wgfido1.Token"
OPENPGP, PIV = b"\x11" * 32, b"\x22" * 32  # the secrets of tests/card/emulator.c


class Readers:
    def __init__(self, case, path):
        self.process = subprocess.Popen([os.path.join(BUILD, "tests/card/readers"), path], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.path = path
        case.wait_for(lambda: os.path.exists(path), "the readers")

    def __call__(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()
        said = []
        while (line := self.process.stdout.readline()) != "ok\n":
            assert line, "the readers died"
            said.append(line.strip())
        return said

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Cards(BrokerCase):
    def setUp(self):
        super().setUp()
        self.readers = None
        self.pcscd = os.path.join(self.dir, "pcscd.comm")
        self.secret = hashlib.sha256(b"A").digest()
        self.public = x25519(self.secret, BASE)
        with open(os.path.join(self.etc, "wg0.conf"), "w", encoding="utf-8") as f:
            f.write("[Interface]\nMode = identity\n[Peer]\nPublicKey = %s\n" % base64.b64encode(self.public).decode())

    def start(self, readers=True):
        if readers:
            self.start_readers()
        self.start_broker("--token-worker", os.path.join(BUILD, "tests/card/wgfido-token"), "--pcscd", self.pcscd)

    def start_readers(self):
        self.readers = Readers(self, self.pcscd)
        self.addCleanup(self.readers.stop)

    def cards(self):
        """{id: properties} of tokens that are cards."""
        found = [dict(interfaces[TOKEN]) for interfaces in self.objects().values() if TOKEN in interfaces]
        return {str(p["Id"]): p for p in found if str(p["Id"]).startswith("card-")}

    def insert(self, reader="Reader", what="both"):
        self.readers("insert", reader, what)
        return self.wait_for(lambda: {i: p for i, p in self.cards().items() if i.startswith("card-" + reader) and p["Capabilities"]},
                             "the card")["card-" + reader]

    def enroll(self, slot, **options):
        return self.call(self.tunnel(), TUNNEL, "Enroll", self.options(resident=True, slot=slot, **options))

    def pin(self, text="123456"):
        r, w = os.pipe()
        os.write(w, text.encode())
        os.close(w)
        self.addCleanup(os.close, r)
        return dbus.types.UnixFd(r)

    def dh(self):
        got = self.call(self.tunnel(), TUNNEL, "DiffieHellman", dbus.ByteArray(self.public), dbus.Dictionary({"role": "static"}, signature="sv"))
        return read_pipe(got)

    def test_come_and_go(self):
        self.start()
        p = self.insert()
        self.assertEqual((str(p["Name"]), str(p["Serial"]), int(p["PinTries"]), str(p["PinState"])), ("Reader", "123456", 3, "set"))
        self.assertEqual({str(c) for c in p["Capabilities"]}, {"client-pin", "openpgp", "piv"})
        self.insert("Second", "piv")
        self.assertEqual(len(self.cards()), 2)
        self.readers("pull", "Reader")
        self.wait_for(lambda: list(self.cards()) == ["card-Second"], "the end of the first")
        # Not for us, and one that another program has for itself until it lets go.
        self.readers("insert", "Third", "none")
        self.readers("exclusive", "Second", 0)
        self.readers("insert", "Fourth", "both")
        self.wait_for(lambda: "card-Fourth" in self.cards(), "the fourth")
        self.assertNotIn("card-Third", self.cards())

    def test_list_keys(self):
        self.start()
        self.insert()
        (path,) = [path for path, interfaces in self.objects().items() if TOKEN in interfaces]
        slots, keys = self.call(path, TOKEN, "ListKeys")
        self.assertEqual(int(slots), 22)
        self.assertEqual({str(k[0]): base64.b64decode(k[5]) for k in keys},
                         {"openpgp": x25519(OPENPGP, BASE), "piv:9d": x25519(PIV, BASE)})
        for k in keys:
            self.assertTrue(k[3])
            self.assertFalse(k[4])

    def test_busy(self):
        self.start()
        self.insert("Other")
        self.readers("insert", "Reader")
        self.readers("exclusive", "Reader", 1)
        self.readers("pull", "Reader")
        self.readers("insert", "Reader")
        self.wait_for(lambda: "card-Other" in self.cards(), "the other")
        self.readers("exclusive", "Reader", 0)
        self.wait_for(lambda: "card-Reader" in self.cards(), "the card that was let go")

    def test_pcscd_comes_and_goes(self):
        self.start(readers=False)
        self.start_readers()
        self.insert()
        self.readers.stop()
        self.wait_for(lambda: not self.cards(), "the end of cards with pcscd")
        self.start_readers()
        self.insert()

    def test_denied(self):
        self.start_readers()
        self.readers("deny", "1")
        self.start(readers=False)
        self.wait_for(lambda: "pcscd lets wgfido at no smart card" in self.read_log(), "the note")
        self.assertEqual(self.cards(), {})

    def adopt(self, slot, secret):
        self.start()
        self.insert()
        result = self.enroll(slot, pin=self.pin())
        self.assertEqual(base64.b64decode(str(result["public-key"])), x25519(secret, BASE))
        self.assertEqual(str(result["slot"]).split(":")[0], slot.split(":")[0])
        self.assertRefused("PinRequired", self.approve)
        self.approve(pin=self.pin())
        self.assertEqual(self.tunnel_state(), "approved")
        for _ in range(3):
            self.assertEqual(self.dh(), x25519(secret, self.public))

    def verified(self):
        return self.readers("state", "Reader")[0].endswith("verified 1")

    def test_openpgp(self):
        self.adopt("openpgp", OPENPGP)
        self.assertTrue(self.verified())
        self.call(self.tunnel(), TUNNEL, "Revoke")
        self.wait_for(lambda: not self.verified(), "the end of the session in the card")

    def test_piv(self):
        self.adopt("piv:9d", PIV)
        self.readers("pull", "Reader")
        self.wait_for(lambda: self.tunnel_state() == "locked", "the end of the approval")

    def test_another_program_ends_the_session(self):
        self.adopt("openpgp", OPENPGP)
        self.readers("reset", "Reader")
        with self.assertRaises(dbus.DBusException):
            self.dh()
        self.assertFalse(self.verified())

    def test_wrong_pin(self):
        self.start()
        self.insert()
        self.enroll("openpgp", pin=self.pin())
        before = self.readers("state", "Reader")[0]
        self.assertRefused("PinInvalid", self.approve, pin=self.pin("000000"))
        self.assertNotEqual(self.readers("state", "Reader")[0], before)
        # Two tries left: to be confirmed, and nothing is sent.
        before = self.readers("state", "Reader")[0]
        self.assertRefused("PinFewTriesLeft", self.approve, pin=self.pin())
        self.assertEqual(self.readers("state", "Reader")[0], before)

    def test_beside_a_fido_key(self):
        """A card is no candidate where a credential is wanted, and an approval with the key is the same as without it."""
        self.start()
        self.token()
        self.insert()
        self.call(self.tunnel(), TUNNEL, "Enroll", self.options(recovery=False))
        self.approve()
        self.assertEqual(self.tunnel_state(), "approved")
        self.readers("pull", "Reader")
        self.wait_for(lambda: not self.cards(), "the end of the card")
        self.assertEqual(self.tunnel_state(), "approved")


if __name__ == "__main__":
    unittest.main()
