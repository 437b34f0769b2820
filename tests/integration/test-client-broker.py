#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line, the real broker and real workers with software tokens, from end to end."""
import base64
import json
import os
import re
import subprocess
import sys
import time

from broker_case import MANAGER, PEER, ROOT, BrokerCase, key, pipe_with, read_pipe
from client_case import WGFIDO, Runner, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors"))
import schedule  # noqa: E402
from schedule import x25519  # noqa: E402

SECRET = bytes(range(64, 96))
CONF = ("[Interface]\r\nPrivateKey = %s\r\nAddress = 10.0.0.2/32\r\n[Peer]\r\nPublicKey = %s\r\nAllowedIPs = 0.0.0.0/0"
        % (base64.b64encode(SECRET).decode(), key("A")))


def public(secret):
    return base64.b64encode(x25519(secret, bytes([9]) + bytes(31))).decode()


class EndToEnd(Runner, BrokerCase):
    def setUp(self):
        super().setUp()
        self.prepare_client(self.address)
        self.write("wireguard/wg0.conf", CONF)

    def status(self):
        return json.loads(self.wgfido("status", "--json"))["tunnels"]

    def code(self):
        return re.search(r"recovery code: (\S+)\n", self.out).group(1)

    def with_code(self, code, *argv, **kw):
        r, w = os.pipe()
        os.write(w, code.encode() + b"\n")
        os.close(w)
        try:
            return self.wgfido(*argv, "--recovery-fd", str(r), pass_fds=[r], **kw)
        finally:
            os.close(r)

    def test_psk(self):
        self.start_broker()
        self.token("blue")
        self.assertIn("soft-blue", self.wgfido("tokens"))
        self.wgfido("enroll", "wg0", "--yes")
        t = self.wgfido("pubkey", "wg0").strip()
        self.assertIn("PublicKey = %s\nTokenPublicKey = %s\n" % (public(SECRET), t), self.wgfido("gateway", "wg0"))
        self.assertEqual(self.status()[0]["state"], "locked")
        self.wgfido("approve", "wg0", "--for", "1h")
        self.assertRegex(self.out, r"wg0 is approved until .*\((59 min|1 h)")
        self.assertIn("to open wg0 to %s... for 1 h" % key("A")[:10], self.err)
        self.assertEqual(self.status()[0]["state"], "approved")
        self.assertEqual(self.wgfido("revoke", "wg0/" + key("A")[:5])[-11:], "is locked.\n")
        self.assertEqual(self.status()[0]["end_reason"], "revoked")
        self.wgfido("approve")
        self.assertIn("1 approval ended", self.wgfido("lock"))
        self.wgfido("approve")
        self.plugged[0].unplug()
        self.assertEqual(self.status()[0]["end_reason"], "token-removed")
        self.assertIn("the security key was pulled out", self.wgfido("status"))
        self.wgfido("approve", status=10)
        old = t
        self.plugged[0].plug()
        self.wgfido("rekey", "wg0", "--yes")
        t = self.wgfido("pubkey", "wg0").strip()
        self.assertNotEqual(t, old)
        self.wgfido("approve")

    def pubkey_of(self, handle):
        done = subprocess.run([WGFIDO, "pubkey"], env=self.env, input=handle + "\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_resident_identity(self):
        """A key number in place of the key: made, named in the wg-quick file, adopted, replaced."""
        self.start_broker()
        blue = self.token("blue")
        handle = self.wgfido("genkey", "--resident", "--slot", "ctaphid:2").strip()
        self.assertRegex(handle, "^wgfido/resident/[A-Za-z0-9+/]{27}=$")
        self.assertIn("so that it works with this computer, to make a key on it", self.err)
        own = self.pubkey_of(handle)
        self.assertEqual(len(base64.b64decode(own)), 32)
        conf = CONF.replace(base64.b64encode(SECRET).decode(), handle)
        self.write("wireguard/wg0.conf", conf)
        self.wgfido("protect", "wg0", "--yes", status=24)
        self.wgfido("enroll", "wg0", "--resident", "--yes")
        self.assertIn(own, self.out)
        self.assertEqual(self.read("wireguard/wg0.conf"), conf.encode())
        t = self.status()[0]
        self.assertEqual((t["mode"], t["held"], t["public_key"], t["handle"], t["slot"], t["touch_policy"], t["keyslots"]),
                         ("identity", "resident", own, handle, "ctaphid:2", "never", []))
        self.assertEqual([p["public_key"] for p in t["peers"]], [key("A")])
        self.assertIn("never the key", t["guarantee"])
        self.assertEqual(self.wgfido("pubkey", "wg0").strip(), own)
        self.wgfido("approve", "wg0", "--for", "1h")
        self.assertEqual(self.status()[0]["state"], "approved")
        # The next key beside it; the approval stands through the change.
        said = self.wgfido("rekey", "wg0")
        following = self.status()[0]["next_public_key"]
        self.assertIn("\nPublicKey = %s\n" % following, said)
        self.wgfido("rekey", "wg0")
        self.assertIn("has a next key already", self.out)
        self.assertEqual(self.wgfido("pubkey", "wg0").strip(), own)
        self.wgfido("rekey", "wg0", "--commit")
        t = self.status()[0]
        self.assertEqual((t["public_key"], t["next_public_key"], t["state"]), (following, "", "approved"))
        # The handle of the file is of the key that was; the new one is in the status.
        self.assertIn("-> make it PrivateKey = %s\n" % t["handle"], self.wgfido("doctor", status=1))
        self.wgfido("rekey", "wg0")
        self.wgfido("rekey", "wg0", "--abandon")
        self.assertEqual(self.status()[0]["next_public_key"], "")
        # Nothing of it can be had out of the token.
        self.wgfido("keyslot", "add", "wg0", "--recovery", "--yes", status=22)
        self.wgfido("unprotect", "wg0", status=None)
        self.assertNotIn("PrivateKey = %s" % base64.b64encode(bytes(32)).decode(), self.out)
        blue.unplug()
        self.assertEqual(self.status()[0]["end_reason"], "token-removed")
        self.assertEqual(self.pubkey_of(self.status()[0]["handle"]), following)
        self.wgfido("approve", "wg0", status=10)

    def test_resident_psk_with_window_keys(self):
        """Both ends on one machine: the gateway's file, an approval that ends with its window, and the same PSK at both."""
        gateway = bytes([7] * 31 + [0xff])  # as a file may have it, not clamped
        g = base64.b64encode(schedule.public(gateway)).decode()
        self.write("wireguard/wg0.conf", CONF.replace(key("A"), g))
        self.write("wireguard/wg9.conf", "[Interface]\nPrivateKey = %s\n" % base64.b64encode(gateway).decode())
        windows = self.where("windows")
        self.start_broker()
        self.token("blue")
        self.wgfido("enroll", "wg0", "--resident", "--touch", "always", "--yes")
        self.assertIn("touch 3 of 3", self.err)
        self.wgfido("approve", "wg0", "--for", "30m")
        with open(os.path.join(self.etc, "wg0.conf"), "a", encoding="ascii") as f:
            f.write("WindowKeysFile = %s\n" % windows)
        self.wgfido("revoke", "wg0")
        self.call(ROOT, MANAGER, "Reload")
        self.wgfido("approve", "wg0", status=1)
        self.assertTrue(self.err.startswith("wgfido: It failed: %s: there is no such file: bring the window keys here" % windows), self.err)
        self.assertIn('"wgfido doctor"', self.err)
        self.wgfido("gateway", "wg9", "--windows", "9d", "--window", "1h", "--output", windows)
        self.not_at_the_end_of(3600, last=20)
        now = int(time.time())
        self.wgfido("approve", "wg0")
        self.assertIn("It ends there with the window", self.out)
        t = self.status()[0]
        self.assertIn(t["approved_until"] - (now // 3600 + 1) * 3600, (-1, 0, 1, 3599, 3600, 3601))
        self.assertIn("one window", t["guarantee"])
        # What the agent is given is what the gateway makes of its private key and the token's public one.
        pipe, start, _ = self.call("%s/peer/%s" % (self.tunnel(), base64.b64decode(g).hex()), PEER, "GetPsk", self.options())
        psk, start = read_pipe(pipe), int(start)
        hour = start // 3600
        s = schedule.window_private(gateway, hour, 1)
        shared = schedule.x25519(s, base64.b64decode(t["public_key"]))
        root = schedule.window_root_of(shared, base64.b64decode(t["public_key"]), base64.b64decode(public(SECRET)),
                                       schedule.public(gateway), hour, 1, b"")
        self.assertEqual(psk, schedule.psk_of(root, 120, start))

    def test_protect_round_trip(self):
        self.start_broker()
        self.token("blue")
        self.wgfido("protect", "wg0", "--yes")
        code = self.code()
        self.assertNotIn(CONF.split()[3].encode(), self.read("wireguard/wg0.conf"))
        self.assertEqual(self.status()[0]["public_key"], public(SECRET))
        self.wgfido("approve", "wg0")
        self.plugged[0].unplug()
        self.wgfido("unprotect", "wg0", status=10)
        self.with_code(code[:-1] + ("A" if code[-1] != "A" else "B"), "unprotect", "wg0", status=24)
        self.with_code(code, "unprotect", "wg0")
        self.assertEqual(self.read("wireguard/wg0.conf"), CONF.encode())
        self.assertEqual(os.listdir(self.etc), [])
        self.assertEqual([f for _, _, files in os.walk(self.keys) for f in files], [])
        self.assertEqual(self.status(), [])
        # And with a touch instead.
        self.plugged[0].plug()
        self.wgfido("protect", "wg0", "--no-recovery")
        self.wgfido("unprotect", "wg0")
        self.assertEqual(self.read("wireguard/wg0.conf"), CONF.encode())
        # A new key on the spot.
        self.wgfido("protect", "wg0", "--rekey", "--yes")
        new = re.search(r"\nPublicKey = (\S+)\n", self.out).group(1)
        self.assertEqual(self.status()[0]["public_key"], new)
        self.assertNotEqual(new, public(SECRET))

    def test_keyslots(self):
        self.start_broker()
        blue = self.token("blue")
        self.wgfido("enroll", "wg0", "--yes")
        code = self.code()
        red = self.token("red")
        self.wgfido("keyslot", "add", "wg0", "--token", "red", "--label", "spare")
        self.assertIn("touch 3 of 3", self.err)
        self.assertRegex(self.wgfido("keyslot", "list", "wg0"), r"spare\n")
        blue.unplug()
        self.wgfido("approve", "wg0")
        slots = {s["label"]: s["id"] for s in self.status()[0]["keyslots"]}
        self.wgfido("keyslot", "remove", "wg0", str(slots["Software token blue"]))
        red.unplug()
        blue.plug()
        self.wgfido("approve", "wg0", status=19)
        self.with_code(code, "keyslot", "recover", "wg0")
        self.wgfido("approve", "wg0")
        self.wgfido("keyslot", "add", "wg0", "--recovery", "--yes")
        self.assertNotEqual(self.code(), code)
        self.wgfido("keyslot", "remove", "wg0", "99", status=24)

    def test_pin_on_terminal(self):
        self.start_broker()
        self.token("blue", pin="123456")
        t = self.terminal("enroll", "wg0", "--no-recovery")
        t.expect(r"\[y/N\] ")
        t.type("y\n")
        t.expect("PIN of .*: ")
        t.type("123456\n")
        t.expect("is enrolled")
        self.assertEqual(t.finish(), 0)
        self.assertNotIn("123456", t.text)

        t = self.terminal("approve", "wg0")
        t.expect("PIN of .*: ")
        t.type("000000\n")
        t.expect("[0-9] tries")
        t.expect("Try another PIN.*")
        t.type("y\n")
        t.expect("PIN of .*: ")
        t.type("123456\n")
        t.expect("approved until")
        self.assertEqual(t.finish(), 0)
        self.wgfido("approve", "wg0", status=13)

    def test_pin_is_asked_anew_for_another_key(self):
        self.config()
        self.start_broker()
        blue = self.token("blue", pin="123456")
        self.enroll(pin=pipe_with(b"123456"))
        blue.touching = "manual"
        blue.unplug().plug()
        t = self.terminal("approve", "wg0", "--wait")
        t.expect("PIN of .*: ")
        t.type("123456\n")
        self.wait_for(lambda: blue.status() == "touch", "blue to blink")
        blue.unplug()
        self.wait_for(lambda: self.tunnel_state() == "waiting", "the wait")
        red = self.token("red", pin="999999")
        t.expect("the PIN was given for another key than Software token red")
        t.expect("PIN of the security key, .*: ")
        red.unplug()
        blue.touching = "auto"
        blue.plug()
        t.type("123456\n")
        t.expect("approved until")
        self.assertEqual(t.finish(), 0)

    def test_interrupt_stops_the_blinking(self):
        self.config()
        self.start_broker()
        blue = self.token("blue")
        self.wgfido("enroll", "wg0", "--yes")
        blue.unplug()
        blue.touching = "manual"
        t = self.terminal("approve", "wg0", "--wait")
        t.expect("Plug in a security key")
        blue.plug(wait=False)
        t.expect("Touch Software token blue to open wg0")
        self.wait_for(lambda: blue.status() == "touch", "the blinking")
        t.type("\x03")
        t.expect("Cancelled")
        self.assertEqual(t.finish(), 12)
        self.wait_for(lambda: blue.status() == "idle", "the end of the blinking")
        t = self.terminal("approve", "wg0")
        t.expect(r"Touch Software token blue to open wg0 .* \d+ s")
        blue.touch()
        t.expect("approved until")
        self.assertEqual(t.finish(), 0)

    def test_broker_killed_while_waiting(self):
        self.config()
        self.start_broker()
        blue = self.token("blue")
        self.wgfido("enroll", "wg0", "--yes")
        blue.unplug()
        blue.touching = "manual"
        blue.plug()
        t = self.terminal("approve", "wg0")
        t.expect("Touch Software token blue")
        self.stop_broker(9)
        t.expect("went away")
        self.assertEqual(t.finish(), 1)


if __name__ == "__main__":
    unittest.main()
