#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs for keys that never leave their token, against a fake broker: enroll, genkey, pubkey, rekey, and what is shown of them."""
import base64
import json
import hashlib
import json
import os
import subprocess
import time

import dbus

from client_case import KEY, WGFIDO, ClientCase, fake, signal, unittest


def handle(public_key, kind=1, slot=0):
    """common/handle.h once more."""
    data = base64.b64decode("wgfido/resident/") + bytes([kind, slot])
    data += hashlib.blake2b(b"wgfido handle v1" + base64.b64decode(public_key), digest_size=32).digest()[:14]
    return base64.b64encode(data + hashlib.blake2b(data, digest_size=32).digest()[:4]).decode()


HANDLE = handle(KEY["T"])
HELD = {"Mode": "psk", "Held": "resident", "PublicKey": KEY["T"], "Slot": "ctaphid:3", "TouchPolicy": "never", "Handle": HANDLE}
WG = "[Interface]\nPrivateKey = %s\n[Peer]\nPublicKey = %s\nAllowedIPs = 0.0.0.0/0\n"


class Case(ClientCase):
    def setUp(self):
        super().setUp()
        self.start_broker()
        self.broker.defaults = dict(self.broker.defaults, CommitRekey=fake.ok())

    def tunnel(self, **properties):
        self.wg0 = self.broker.add(fake.Tunnel, "wg0", Name="office", **properties)
        self.broker.add(fake.Peer, self.wg0, KEY["A"], Name="gw")

    def answer(self, method="Enroll", **more):
        self.broker.answers[method] = [fake.ok(dict({"public-key": KEY["T"], "handle": HANDLE, "slot": "ctaphid:3"}, **more))]


class Enroll(Case):
    def test_psk(self):
        self.tunnel(Held="none", State="unenrolled")
        self.broker.answers["Enroll"] = [
            fake.prompt("touch-pair", lambda c, done, failed: fake.prompt("touch", fake.ok(
                {"public-key": KEY["T"], "handle": HANDLE, "slot": "ctaphid:3"}), step=2, steps=2)(c, done, failed), step=1, steps=2)]
        self.broker.start()
        out = self.wgfido("enroll", "wg0", "--resident", "--slot", "ctaphid:3", "--touch", "cached", "--label", "mine")
        self.assertEqual(self.broker.calls[0].options,
                         {"resident": True, "slot": "ctaphid:3", "touch": "cached", "label": "mine"})
        self.assertIn("Touch YubiKey 5 so that it works with this computer, to make a key for office (wg0), touch 1 of 2\n", self.err)
        self.assertIn("Touch YubiKey 5 to make a key for office (wg0), touch 2 of 2\n", self.err)
        self.assertIn("Its token public key:\n%s\n" % KEY["T"], out)
        self.assertIn("on the security key, ctaphid:3, and never leaves it", out)
        self.assertIn("no recovery code", out)
        self.assertIn("`wgfido gateway wg0`", out)
        self.assertNotIn(HANDLE, out)

    def test_usage(self):
        self.tunnel(Held="none", State="unenrolled")
        self.broker.start()
        for argv in (["--slot", "openpgp"], ["--touch", "always"], ["--resident", "--uv", "pin"], ["--resident", "--touch", "sometimes"]):
            self.wgfido("enroll", "wg0", *argv, status=2)
        self.assertEqual(self.broker.calls, [])

    def test_adopts_the_handle_of_the_file(self):
        self.write("wireguard/wg0.conf", WG % (HANDLE, KEY["A"]))

        def reload(call, done, failed):
            self.tunnel(Mode="identity", Held="none", State="unenrolled")
            done()

        self.broker.answers["Reload"] = [reload]
        self.answer()
        self.broker.start()
        out = self.wgfido("enroll", "wg0", "--resident", "--yes")
        options = self.broker.calls[-1].options
        self.assertEqual(bytes(options.pop("handle")), base64.b64decode(HANDLE))
        self.assertEqual(options, {"resident": True})
        conf = self.read("etc/wg0.conf").decode()
        self.assertIn("[Interface]\nMode = identity\n\n[Peer]\nPublicKey = %s\n" % KEY["A"], conf)
        self.assertNotIn("PublicKey", conf.split("[Peer]")[0])
        self.assertIn("`systemctl enable --now wgfido-tunnel@wg0`", out)
        self.assertNotIn("PrivateKey = ", out)
        self.assertEqual(self.read("wireguard/wg0.conf").decode(), WG % (HANDLE, KEY["A"]))

    def test_failed_leaves_no_trace(self):
        self.write("wireguard/wg0.conf", WG % (HANDLE, KEY["A"]))

        def reload(call, done, failed):
            self.tunnel(Mode="identity", Held="none", State="unenrolled")
            done()

        self.broker.answers["Reload"] = [reload]
        self.broker.answers["Enroll"] = [fake.fail("WrongToken")]
        self.broker.start()
        self.wgfido("enroll", "wg0", "--resident", "--yes", status=19)
        self.assertEqual(os.listdir(self.where("etc")), [])

    def test_new_key_of_an_identity(self):
        self.tunnel(Mode="identity", Held="none", State="unenrolled")
        self.answer()
        self.broker.start()
        self.assertIn("PrivateKey = %s\n" % HANDLE, self.wgfido("enroll", "wg0", "--resident"))
        self.assertNotIn("handle", self.broker.calls[0].options)

    def refuse(self, words, *argv, status=24):
        self.wgfido("enroll", "wg0", *argv, status=status)
        self.assertIn(words, self.err)
        self.assertNotIn("Enroll", [c.method for c in self.broker.calls])

    def test_handle_where_it_does_not_fit(self):
        self.write("wireguard/wg0.conf", WG % (HANDLE, KEY["A"]))
        self.broker.start()
        self.refuse("wg0.conf:2: the PrivateKey is the handle of a key on a security key: add --resident", "--yes")
        self.assertEqual(os.listdir(self.where("etc")), [])
        self.tunnel(Mode="identity", Held="none", State="unenrolled")
        self.refuse("add --resident", "--yes")
        self.refuse("leave --slot away", "--resident", "--slot", "openpgp")
        self.wg0.properties["Mode"] = "psk"
        self.refuse("make it Mode = identity", "--resident")

    def test_key_that_is_not_there(self):
        """Said so, and a configuration that was there before stays, wgfido's own or not."""
        self.write("wireguard/wg0.conf", WG % (HANDLE, KEY["A"]))
        self.write("etc/wg0.conf", "# Written by wgfido, which removes it again as long as this line comes first.\n[Interface]\nMode = identity\n")
        self.tunnel(Mode="identity", Held="none", State="unenrolled")
        self.broker.answers["Enroll"] = [fake.fail("WrongToken")]
        self.broker.start()
        self.wgfido("enroll", "wg0", "--resident", status=19)
        self.assertIn("is of a key that none of them has", self.err)
        self.assertEqual(os.listdir(self.where("etc")), ["wg0.conf"])

    def test_protect_refuses(self):
        self.write("wireguard/wg0.conf", WG % (HANDLE, KEY["A"]))
        self.broker.start()
        self.wgfido("protect", "wg0", "--yes", status=24)
        self.assertIn("wg0.conf:2: that is the handle of a key", self.err)

    def test_pin(self):
        self.tunnel(Held="none", State="unenrolled")
        self.answer()
        self.broker.answers["Enroll"].insert(0, fake.fail("PinRequired"))
        self.broker.start()
        with subprocess.Popen(["printf", "1234\\n"], stdout=subprocess.PIPE) as pin:
            fd = pin.stdout.fileno()
            self.wgfido("enroll", "wg0", "--resident", "--slot", "openpgp", "--pin-fd", str(fd), pass_fds=[fd])
        self.assertEqual(self.broker.calls[1].options["pin"], b"1234")


class Genkey(Case):
    def test_prints_the_handle_alone(self):
        self.broker.answers["GenerateKey"] = [
            fake.prompt("touch-pair", lambda c, done, failed: fake.prompt("touch", fake.ok(HANDLE, KEY["T"]), step=2, steps=2)(
                c, done, failed), step=1, steps=2)]
        self.broker.start()
        self.assertEqual(self.wgfido("genkey", "--resident", "--slot", "piv:9d", "--touch", "never", "--token", "path-1"), HANDLE + "\n")
        self.assertEqual(self.broker.calls[0].options, {"slot": "piv:9d", "touch": "never", "token": "path-1"})
        self.assertIn("Touch YubiKey 5 so that it works with this computer, to make a key on it, touch 1 of 2\n", self.err)
        self.assertIn("Touch YubiKey 5 to make a key on it, touch 2 of 2\n", self.err)

    def test_on_a_terminal(self):
        self.broker.answers["GenerateKey"] = [fake.ok(HANDLE, KEY["T"])]
        self.broker.start()
        t = self.terminal("genkey", "--resident")
        t.expect(HANDLE)
        t.expect("This is no secret")
        t.expect("Its public key")
        self.assertEqual(t.finish(), 0)

    def test_usage_and_errors(self):
        self.broker.answers["GenerateKey"] = [fake.fail("Unsupported"), fake.fail("LimitExceeded")]
        self.broker.start()
        self.wgfido("genkey", status=2)
        self.assertIn("`wg genkey`", self.err)
        self.wgfido("genkey", "--resident", "wg0", status=2)
        self.wgfido("genkey", "--resident", status=22)
        self.assertEqual(self.out, "")
        self.wgfido("genkey", "--resident", status=25)

    def test_interrupted(self):
        """It belongs to no tunnel, so there is nothing to cancel but the caller."""
        self.broker.answers["GenerateKey"] = [fake.prompt("touch", fake.never)]
        self.broker.start()
        t = self.terminal("genkey", "--resident")
        t.expect("Touch YubiKey 5")
        t.type("\x03")
        self.assertEqual(t.finish(), 12)


class Pubkey(Case):
    def pubkey(self, text, status=0):
        done = subprocess.run([WGFIDO, "pubkey"], env=self.env, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        self.err = done.stderr
        return done.stdout

    def test_handle(self):
        self.broker.answers["FindKey"] = [fake.ok(KEY["T"]), fake.fail("TokenMissing"), fake.fail("WrongToken"), fake.ok(KEY["A"])]
        self.broker.start()
        self.assertEqual(self.pubkey(HANDLE + "\n"), KEY["T"] + "\n")
        self.assertEqual(self.broker.calls[0].handle, base64.b64decode(HANDLE))
        self.assertEqual(self.pubkey(HANDLE, 10), "")
        self.assertEqual(self.pubkey(HANDLE, 19), "")
        # Another key than the one that the handle names.
        self.assertEqual(self.pubkey(HANDLE, 1), "")
        self.assertIn("not of", self.err)

    def test_handle_as_argument(self):
        self.broker.answers["FindKey"] = [fake.ok(KEY["T"])]
        self.broker.start()
        self.assertEqual(self.wgfido("pubkey", HANDLE), KEY["T"] + "\n")
        self.assertEqual(self.broker.calls[0].handle, base64.b64decode(HANDLE))
        self.wgfido("pubkey", HANDLE[:-3] + "AA=", status=24)
        self.assertIn("checksum", self.err)
        self.assertEqual(len(self.broker.calls), 1)

    def test_tunnel(self):
        self.tunnel(**HELD)
        self.broker.start()
        self.assertEqual(self.pubkey("wg0\n"), KEY["T"] + "\n")
        self.assertEqual(self.wgfido("pubkey", "office"), KEY["T"] + "\n")

    def test_refused(self):
        self.broker.start()
        self.assertEqual(self.pubkey(KEY["A"] + "\n", 24), "")
        self.assertIn("`wg pubkey`", self.err)
        self.assertNotIn(KEY["A"], self.err)
        self.pubkey(HANDLE[:-3] + "AA=", 24)
        self.assertIn("checksum", self.err)
        for text in ("", "x" * 500, "two words\n", "\0\n"):
            self.pubkey(text, 24)
            self.assertIn("neither a handle nor", self.err)
        self.assertEqual(self.broker.calls, [])


class NoSecret(Case):
    """Verbs for keys of which there is a copy say so at once, and not after a recovery code or in other words."""
    def test_refused(self):
        self.tunnel(**dict(HELD, Mode="identity"))
        self.write("wireguard/wg0.conf", WG % (HANDLE, KEY["A"]))
        self.broker.start()
        for argv in (["unprotect", "wg0"], ["keyslot", "list", "wg0"], ["keyslot", "recover", "wg0"]):
            self.wgfido(*argv, status=22)
            self.assertIn("a key that never leaves its security key", self.err)
        self.assertEqual(self.broker.calls, [])

    def test_who_makes_the_interface(self):
        self.tunnel(**dict(HELD, Mode="identity"))
        self.broker.answers["Approve"] = [fake.ok(fake.boottime_us() + 10**9)]
        self.broker.start()
        self.write("run/wg0.json", json.dumps({"interface": "wg0", "state": "absent", "mode": "identity", "role": "client"}))
        self.wgfido("approve", "wg0")
        self.assertIn("systemctl start wgfido-tunnel@wg0", self.err)


class Rekey(Case):
    def test_next_key(self):
        self.tunnel(**HELD)
        self.broker.answers["Rekey"] = [fake.ok({"public-key": KEY["S"], "handle": handle(KEY["S"]), "slot": "ctaphid:4"})]
        self.broker.start()
        out = self.wgfido("rekey", "wg0", "--touch", "always", "--resident")
        self.assertEqual(self.broker.calls[0].options, {"resident": True, "touch": "always"})
        self.assertIn("has a next key in ctaphid:4", out)
        self.assertIn("TokenPublicKey = %s\n" % KEY["S"], out)
        self.assertIn("`wgfido rekey wg0 --commit`", out)
        # Once more says the same, and makes no other key.
        self.wg0.properties["NextPublicKey"] = KEY["S"]
        out = self.wgfido("rekey", "wg0")
        self.assertIn("has a next key already", out)
        self.assertIn("TokenPublicKey = %s\n" % KEY["S"], out)
        self.assertEqual(len(self.broker.calls), 1)

    def test_identity(self):
        self.tunnel(**dict(HELD, Mode="identity"))
        self.broker.answers["Rekey"] = [fake.ok({"public-key": KEY["S"], "handle": handle(KEY["S"]), "slot": "ctaphid:4"})]
        self.broker.start()
        out = self.wgfido("rekey", "wg0")
        self.assertIn("\nPublicKey = %s\n" % KEY["S"], out)
        self.assertIn("wgfido-tunnel switches by itself", out)
        self.assertIn("\nPrivateKey = %s\n" % handle(KEY["S"]), out)
        self.wg0.properties.update(NextPublicKey=KEY["S"], NextHandle=handle(KEY["S"]))
        self.assertIn("\nPrivateKey = %s\n" % handle(KEY["S"]), self.wgfido("rekey", "wg0", "--commit"))

    def test_commit_and_abandon(self):
        self.tunnel(**HELD)
        self.broker.start()
        for option in ("--commit", "--abandon"):
            self.wgfido("rekey", "wg0", option, status=17)
            self.assertIn("no next key", self.err)
        self.assertEqual(self.broker.calls, [])
        self.wg0.properties["NextPublicKey"] = KEY["S"]
        self.assertIn("has its new key: %s\n" % KEY["S"], self.wgfido("rekey", "wg0", "--commit"))
        self.assertEqual((self.broker.calls[0].method, self.broker.calls[0].options), ("CommitRekey", {}))
        self.assertIn("stays unused", self.wgfido("rekey", "wg0", "--abandon"))
        self.assertEqual(self.broker.calls[1].options, {"abandon": True})

    def test_wrapped_to_resident(self):
        self.tunnel(Mode="psk", Held="wrapped", PublicKey=KEY["T"])
        self.broker.answers["Rekey"] = [fake.ok({"public-key": KEY["S"], "handle": handle(KEY["S"]), "slot": "openpgp"})]
        self.broker.start()
        out = self.wgfido("rekey", "wg0", "--resident", "--slot", "openpgp")
        self.assertEqual(self.broker.calls[0].options, {"resident": True, "slot": "openpgp"})
        self.assertIn("TokenPublicKey = %s\n" % KEY["S"], out)
        self.assertIn("never leaves the security key, openpgp", out)


class Shown(Case):
    def windows(self, days, age=0):
        first = int(time.time()) // 86400 * 86400 - age * 86400
        self.write("etc/wg0.windows", "wgfido-window-keys 1\nPublicKey = %s\nWindow = 24h\nFirst = %d\nCount = %d\n" % (
            KEY["A"], first, days) + (KEY["X"] + "\n") * days)
        self.write("etc/wg0.conf", "[Interface]\nMode = psk\nPublicKey = %s\n[Peer]\nPublicKey = %s\nWindowKeysFile = %s\n" % (
            KEY["C"], KEY["A"], self.where("etc/wg0.windows")))
        return first

    def test_status(self):
        self.tunnel(**HELD)
        self.broker.start()
        self.assertIn("  mode   psk, resident, in slot ctaphid:3, which asks for no touch\n", self.wgfido("status"))
        self.wg0.properties.update(NextPublicKey=KEY["S"], TouchPolicy="always")
        out = self.wgfido("status")
        self.assertIn("which asks for a touch each time\n", out)
        self.assertIn("  next   %s, when the other end has it" % KEY["S"], out)
        t = json.loads(self.wgfido("status", "--json"))["tunnels"][0]
        self.assertEqual((t["held"], t["slot"], t["touch_policy"], t["handle"], t["next_public_key"], t["window_keys"]),
                         ("resident", "ctaphid:3", "always", HANDLE, KEY["S"], None))

    def test_windows(self):
        self.tunnel(**HELD)
        self.broker.start()
        first = self.windows(90)
        out = self.wgfido("status")
        self.assertRegex(out, r"  window an approval ends at [A-Z0-9].* at the latest; window keys until 20")
        self.assertNotIn("Its window keys end", out)
        t = json.loads(self.wgfido("status", "--json"))["tunnels"][0]["window_keys"]
        self.assertEqual((t["window_end"] - first) % 86400, 0)
        self.assertEqual((t["keys_end"], t["problem"]), (first + 90 * 86400, ""))
        # A week before the end it is said, and after it as well.
        self.windows(5)
        self.assertRegex(self.wgfido("status"), r"! Its window keys end in [34] d.*: bring new ones")
        self.assertRegex(self.wgfido("doctor", status=1), r"wrong  Its window keys end in [34] d.*\n       -> at the gateway: wgfido gateway")
        self.windows(1, age=3)
        self.assertRegex(self.wgfido("status"), r"! .*wg0.windows: the last of its window keys ended on")
        self.assertIn("the last of its window keys ended on", self.wgfido("doctor", status=1))
        os.unlink(self.where("etc/wg0.windows"))
        self.assertIn("there is no such file: bring the window keys here", self.wgfido("status"))
        self.assertIn("no such file", json.loads(self.wgfido("status", "--json"))["tunnels"][0]["window_keys"]["problem"])

    def test_approve_says_that_the_window_ends_it(self):
        self.tunnel(**HELD)
        self.broker.answers["Approve"] = [fake.approve(1800), fake.approve(8 * 3600), fake.approve(1800)]
        self.broker.start()
        self.windows(90)
        self.assertIn("It ends there with the window", self.wgfido("approve", "wg0"))
        self.assertNotIn("It ends there", self.wgfido("approve", "wg0"))
        self.assertNotIn("It ends there", self.wgfido("approve", "wg0", "--for", "30m"))

    def test_tokens(self):
        for n, capabilities in enumerate((["fido2", "hmac-secret", "wgX25519"], ["openpgp", "piv"], ["piv"], ["fido2"]), 1):
            self.broker.add(fake.Token, n, Capabilities=dbus.Array(capabilities, signature="s"))
        self.broker.start()
        out = self.wgfido("tokens").split("YubiKey 5\n")
        self.assertIn("--slot ctaphid)", out[1])
        self.assertIn("--slot openpgp, --slot piv:9d)", out[2])
        self.assertIn("--slot piv:9d)", out[3])
        self.assertIn("lacks hmac-secret", out[4])
        for text in out[1:4]:
            self.assertNotIn("lacks hmac-secret", text)

    def test_keys_of_tokens(self):
        self.tunnel(**HELD)
        self.wg0.properties.update(NextPublicKey=KEY["S"])
        self.broker.add(fake.Token, 1, Capabilities=dbus.Array(["fido2", "wgX25519"], signature="s"))
        self.broker.add(fake.Token, 2, Name="Card", Capabilities=dbus.Array(["piv"], signature="s"))
        self.broker.add(fake.Token, 3, Name="Old", Capabilities=dbus.Array(["hmac-secret"], signature="s"))
        self.broker.start()

        def keys(slots, *rows):
            return fake.ok(dbus.UInt32(slots), dbus.Array([dbus.Struct(row, signature="ssubbss") for row in rows], signature="(ssubbss)"))

        def row(slot, touch, cached, pin, bound, public):
            return (slot, touch, dbus.UInt32(cached), pin, bound, public, handle(public))

        self.broker.answers["ListKeys"] = [
            keys(32, row("ctaphid:3", "always", 0, False, True, KEY["T"]), row("ctaphid:4", "cached", 15, False, False, KEY["S"]),
                 row("ctaphid:5", "never", 0, False, True, KEY["A"])),
            keys(21)]
        out = self.wgfido("tokens", "--keys")
        self.assertIn("  keys          in 32 slots:\n"
                      "    ctaphid:3   %s, of office (wg0)\n                asks for a touch each time\n"
                      "    ctaphid:4   %s, the next of office (wg0)\n                a touch is good for 15 s, answers every computer\n"
                      "    ctaphid:5   %s, of no tunnel here\n                handle %s\n                asks for no touch\n"
                      % (KEY["T"], KEY["S"], KEY["A"], handle(KEY["A"])), out)
        self.assertIn("  keys          in 21 slots:\n    none\n", out)
        # Only those that can have such keys were asked, and only because that was wanted.
        self.assertEqual(self.broker.methods(), ["ListKeys"] * 2)
        self.assertNotIn("keys  ", self.wgfido("tokens"))
        # One that fails does not keep the others from being shown.
        self.broker.answers["ListKeys"] = [
            fake.fail("TokenBusy", "Another program uses it."), keys(1, row("openpgp", "unknown", 0, True, False, KEY["A"]))]
        out = self.wgfido("tokens", "--keys", status=20)
        self.assertIn("  keys          not known: Another program uses it.\n", out)
        self.assertIn("                does not say when it asks for a touch, wants a PIN\n", out)
        # What is no key is not shown as one.
        self.broker.answers["ListKeys"] = [keys(1, ("ctaphid:0", "never", dbus.UInt32(0), False, True, "\x1b[2J", "")), keys(0)]
        self.assertNotIn("\x1b", self.wgfido("tokens", "--keys", status=1))

    def test_doctor(self):
        self.tunnel(**dict(HELD, Mode="identity"))
        self.broker.start()
        self.write("etc/wg0.conf", "[Interface]\nMode = identity\n[Peer]\nPublicKey = %s\n" % KEY["A"])
        self.write("wireguard/wg0.conf", WG % (HANDLE, KEY["A"]))
        os.chmod(self.where("wireguard/wg0.conf"), 0o600)
        out = self.wgfido("doctor", status=1)
        self.assertIn("ok     wg0 has a key that never leaves its security key\n", out)
        self.assertNotIn("handle", out)
        self.write("wireguard/wg0.conf", WG % (handle(KEY["A"]), KEY["A"]))
        self.assertIn("-> make it PrivateKey = %s\n" % HANDLE, self.wgfido("doctor", status=1))


if __name__ == "__main__":
    unittest.main()
