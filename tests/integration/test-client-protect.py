#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""protect and unprotect on real files, against a fake broker that keeps keys: nothing is lost, whenever it is interrupted."""
import base64
import os
import resource
import shutil
import stat
import subprocess
import sys

from client_case import BUILD, KEY, PATIENCE, WGFIDO, ClientCase, fake, signal, unittest

import dbus

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors"))
from schedule import x25519  # noqa: E402

SECRET = bytes(range(32))
SECRET64 = base64.b64encode(SECRET).decode()
CODE = b"AAAAA-BBBBB-CCCCC"
CONF = (
    "# my tunnel\r\n[interface]\r\n  privatekey=%s # mine\r\nAddress = 10.0.0.2/32\r\n\r\n"
    "[Peer]\r\nPublicKey = %s\r\nAllowedIPs = 0.0.0.0/0\r\n[Peer]\nPublicKey=%s"
) % (SECRET64, KEY["A"], KEY["B"])


def public(secret):
    return base64.b64encode(x25519(secret, bytes([9]) + bytes(31))).decode()


class Keeper:
    """What a broker does with keys, in a few lines: tunnels from the configuration directory, keys in a dict."""

    def __init__(self, broker, config_dir):
        self.broker = broker
        self.config_dir = config_dir
        self.keys = {}
        self.slots = []
        self.generated = bytes([7]) * 32
        broker.always.update(
            Reload=self.reload,
            ImportKey=lambda call, done, failed: self.wrap(call, call.key, done),
            Enroll=lambda call, done, failed: self.wrap(call, self.generated, done),
            Rekey=lambda call, done, failed: self.wrap(call, self.generated, done),
            ExportKey=self.export,
            ForgetKey=self.forget,
            AddKeyslot=self.add,
            RemoveKeyslot=self.remove,
        )

    def describe(self, tunnel):
        key = self.keys.get(str(tunnel.properties["Interface"]))
        slots = [dbus.Struct((dbus.UInt32(n), kind, "label", "presence", dbus.UInt64(1)), signature="ussst")
                 for n, kind in self.slots] if key else []
        tunnel.set(
            Held="wrapped" if key else "none",
            State="locked" if key else "unenrolled",
            PublicKey=public(key) if key else "",
            KeySlots=dbus.Array(slots, signature="(ussst)"),
        )

    def reload(self, call, done, failed):
        for o in [o for o in self.broker.objects if isinstance(o, fake.Tunnel)]:
            self.broker.remove(o)
        for name in sorted(os.listdir(self.config_dir)):
            if not name.endswith(".conf"):
                continue
            with open(os.path.join(self.config_dir, name), encoding="utf-8") as f:
                mode = "identity" if "identity" in f.read() else "psk"
            self.describe(self.broker.add(fake.Tunnel, name[: -len(".conf")], Mode=mode))
        done()

    def wrap(self, call, key, done):
        self.keys[str(call.tunnel.properties["Interface"])] = key
        self.slots = [(1, "hmac-secret")]
        result = {"public-key": public(key)}
        if call.options.get("recovery"):
            self.slots.append((2, "recovery"))
            result["recovery"] = fake.pipe_with(CODE)
        self.describe(call.tunnel)
        done(result)

    def export(self, call, done, failed):
        done(fake.pipe_with(self.keys[str(call.tunnel.properties["Interface"])]))

    def forget(self, call, done, failed):
        del self.keys[str(call.tunnel.properties["Interface"])]
        self.describe(call.tunnel)
        done()

    def add(self, call, done, failed):
        n = max(n for n, kind in self.slots) + 1
        recovery = call.options.get("type") == "recovery"
        self.slots.append((n, "recovery" if recovery else "hmac-secret"))
        self.describe(call.tunnel)
        result = {"slot": dbus.UInt32(n)}
        if recovery:
            result["recovery"] = fake.pipe_with(b"NEWER-" + CODE)
        done(result)

    def remove(self, call, done, failed):
        self.slots = [(n, kind) for n, kind in self.slots if n != call.slot]
        self.describe(call.tunnel)
        done()


class ProtectCase(ClientCase):
    def setUp(self):
        super().setUp()
        self.write("wireguard/wg0.conf", CONF)
        os.chmod(self.where("wireguard/wg0.conf"), 0o640)
        self.keeper = Keeper(self.start_broker(), self.where("etc"))
        self.broker.start()

    def conf(self):
        return self.read("wireguard/wg0.conf")

    def leftovers(self):
        return [n for d in ("etc", "wireguard") for n in os.listdir(self.where(d)) if n.startswith(".")]


class Protect(ProtectCase):
    def test_round_trip(self):
        self.wgfido("protect", "wg0", "--yes")
        self.assertIn("recovery code: %s\n" % CODE.decode(), self.out)
        self.assertIn("backups", self.out)
        self.assertIn("wgfido rekey wg0", self.out)
        self.assertEqual(self.keeper.keys, {"wg0": SECRET})
        self.assertNotIn(SECRET64.encode(), self.conf())
        self.assertIn(b"\r\n#wgfido#   privatekey=(held by wgfido) # mine\r\n", self.conf())
        self.assertIn(b"Mode = identity", self.read("etc/wg0.conf"))
        self.assertEqual(stat.S_IMODE(os.stat(self.where("wireguard/wg0.conf")).st_mode), 0o640)
        self.assertIn("protected already", self.wgfido("protect", "wg0"))
        self.wgfido("protect", "wg0", "--rekey", "--yes", status=27)
        self.assertIn("`wgfido rekey wg0`", self.err)

        self.wgfido("unprotect", "wg0")
        self.assertEqual(self.conf(), CONF.encode())
        self.assertEqual(stat.S_IMODE(os.stat(self.where("wireguard/wg0.conf")).st_mode), 0o640)
        self.assertEqual(self.keeper.keys, {})
        self.assertEqual(os.listdir(self.where("etc")), [])
        self.assertEqual(self.leftovers(), [])

    def test_on_terminal(self):
        t = self.terminal("protect", "wg0")
        t.expect(CODE.decode())
        self.assertIn(SECRET64.encode(), self.conf())
        t.expect("last group: ")
        t.type("ccccc\n")
        t.expect("is protected")
        self.assertEqual(t.finish(), 0)
        self.assertNotIn(SECRET64.encode(), self.conf())

    def test_code_not_confirmed(self):
        t = self.terminal("protect", "wg0")
        t.expect("last group: ")
        t.type("\x03")
        t.expect("again to go on")
        self.assertEqual(t.finish(), 12)
        self.assertEqual(self.conf(), CONF.encode())
        # Not written down: another code takes its place before the key goes.
        t = self.terminal("protect", "wg0")
        t.expect("write its recovery code down.*")
        t.type("n\n")
        t.expect("NEWER-" + CODE.decode())
        t.expect("last group: ")
        t.type("CCCCC\n")
        t.expect("is protected")
        self.assertEqual(t.finish(), 0)
        self.assertEqual(self.keeper.slots, [(1, "hmac-secret"), (3, "recovery")])

    def test_symlink_and_own_configuration(self):
        os.mkdir(self.where("elsewhere"))
        os.rename(self.where("wireguard/wg0.conf"), self.where("elsewhere/real"))
        os.symlink("../elsewhere/real", self.where("wireguard/wg0.conf"))
        self.write("etc/wg0.conf", "[Interface]\nMode = identity\nApprovalLifetime = 1h\n")
        self.wgfido("protect", "wg0", "--no-recovery")
        self.assertTrue(os.path.islink(self.where("wireguard/wg0.conf")))
        self.assertNotIn(SECRET64.encode(), self.read("elsewhere/real"))
        self.assertEqual(self.broker.calls[-1].options.get("recovery"), False)
        self.wgfido("unprotect", "wg0")
        self.assertEqual(self.read("elsewhere/real"), CONF.encode())
        self.assertTrue(os.path.islink(self.where("wireguard/wg0.conf")))
        self.assertIn(b"1h", self.read("etc/wg0.conf"))
        self.assertIn("still guards", self.out)

    def test_hard_link(self):
        os.link(self.where("wireguard/wg0.conf"), self.where("copy"))
        self.wgfido("protect", "wg0", "--yes")
        self.assertIn("(1 hard links more)", self.err)

    def refuse(self, text, words, status=24):
        self.write("wireguard/wg0.conf", text)
        self.wgfido("protect", "wg0", "--yes", status=status)
        self.assertIn(words, self.err)
        self.assertEqual(self.conf(), text.encode())
        self.assertEqual(os.listdir(self.where("etc")), [])
        self.assertEqual(self.keeper.keys, {})

    def test_refusals(self):
        self.refuse("[Interface]\nSaveConfig = true\nPrivateKey = %s\n" % SECRET64, "wg0.conf:2: it has SaveConfig = true")
        self.refuse("[Interface]\nAddress = 10.0.0.1\n", "no PrivateKey line")
        self.refuse("[Interface]\nPrivateKey = %s\nPrivateKey = %s\n" % (SECRET64, KEY["A"]), "more than one PrivateKey")
        self.refuse("[Interface]\nPrivateKey = nonsense\n", "wg0.conf:2: the PrivateKey is no WireGuard key")
        self.refuse("[Interface]\nPrivateKey = wgfido/resident/AgAXmEs1bjbvukR5djn7rg5IJ60=\n", "wg0.conf:2: that is the handle of a key")
        self.refuse("[Interface]\nPrivateKey = wgfido/resident/AgAXmEs1bjbvukR5djn7rg5IJ600\n", "wg0.conf:2: the PrivateKey is no")
        self.refuse("[Peer]\nPublicKey = %s\n" % KEY["A"], "no [Interface]")
        os.unlink(self.where("wireguard/wg0.conf"))
        self.wgfido("protect", "wg0", "--yes", status=24)
        self.assertIn("There is no", self.err)
        self.wgfido("protect", "../wg0", status=2)

    def test_no_second_way(self):
        self.wgfido("protect", "wg0", status=1)
        self.assertIn("--no-recovery", self.err)
        self.assertEqual(self.broker.calls, [])

    def test_psk_configuration(self):
        text = "[Interface]\nMode = psk\nPublicKey = %s\n[Peer]\nPublicKey = %s\n" % (KEY["C"], KEY["A"])
        self.write("etc/wg0.conf", text)
        self.wgfido("protect", "wg0", "--yes", status=24)
        self.assertEqual(self.read("etc/wg0.conf"), text.encode())
        self.assertEqual(self.conf(), CONF.encode())

    def test_import_fails(self):
        for name, status in (("TouchTimeout", 11), ("TokenFailed", 21), ("Cancelled", 12)):
            self.broker.answers["ImportKey"] = [fake.fail(name)]
            self.wgfido("protect", "wg0", "--yes", status=status)
            self.assertEqual(self.conf(), CONF.encode())
            self.assertEqual(os.listdir(self.where("etc")), [])

    def test_failing_takes_no_configuration_that_was_there(self):
        """Not even one that wgfido wrote: settings may have been added behind its first line."""
        self.wgfido("protect", "wg0", "--yes")
        edited = self.read("etc/wg0.conf") + b"ApprovalLifetime = 1h\nEndOn = suspend,lock\n"
        # The key file is lost, and another attempt with the key from a backup comes to nothing.
        self.keeper.keys.clear()
        self.write("etc/wg0.conf", edited.decode())
        self.write("wireguard/wg0.conf", CONF)
        self.broker.answers["ImportKey"] = [fake.fail("TouchTimeout")]
        self.wgfido("protect", "wg0", "--yes", status=11)
        self.assertEqual(self.read("etc/wg0.conf"), edited)
        self.assertEqual(self.conf(), CONF.encode())
        self.wgfido("protect", "wg0", "--yes")
        self.assertEqual(self.read("etc/wg0.conf"), edited)

    def test_file_changed_meanwhile(self):
        def edit(call, done, failed):
            self.write("wireguard/wg0.conf", CONF + "\r\nEndpoint = 192.0.2.1:1\r\n")
            self.keeper.wrap(call, call.key, done)

        self.broker.answers["ImportKey"] = [edit]
        self.wgfido("protect", "wg0", "--yes", status=1)
        self.assertIn("changed meanwhile", self.err)
        self.assertIn(SECRET64.encode(), self.conf())
        self.wgfido("protect", "wg0", "--yes")
        self.assertNotIn(SECRET64.encode(), self.conf())
        self.assertIn(b"Endpoint", self.conf())

    def test_wrong_key_wrapped(self):
        self.broker.answers["ImportKey"] = [lambda call, done, failed: self.keeper.wrap(call, bytes([5]) * 32, done)]
        self.wgfido("protect", "wg0", "--yes", status=1)
        self.assertEqual(self.conf(), CONF.encode())
        self.wgfido("protect", "wg0", "--yes", status=27)
        self.assertEqual(self.conf(), CONF.encode())

    def test_rekey(self):
        self.wgfido("protect", "wg0", "--rekey", "--yes")
        self.assertIn("PublicKey = %s\n" % public(self.keeper.generated), self.out)
        self.assertEqual(self.keeper.keys, {"wg0": self.keeper.generated})
        self.assertNotIn(SECRET64.encode(), self.conf())

    def test_unprotect_refusals(self):
        self.wgfido("protect", "wg0", "--yes")
        taken = self.conf()
        other = taken + b"\n[Interface]\nPrivateKey = " + KEY["C"].encode() + b"\n"
        self.write("wireguard/wg0.conf", other)
        self.wgfido("unprotect", "wg0", status=27)
        self.assertNotIn("ExportKey", self.broker.methods())
        self.write("wireguard/wg0.conf", taken)
        self.broker.answers["ExportKey"] = [lambda call, done, failed: done(fake.pipe_with(bytes([5]) * 32))]
        self.wgfido("unprotect", "wg0", status=1)
        self.assertEqual(self.conf(), taken)
        self.broker.answers["ExportKey"] = [fake.fail("TouchTimeout")]
        self.wgfido("unprotect", "wg0", status=11)
        self.assertEqual(self.conf(), taken)
        self.assertEqual(self.keeper.keys, {"wg0": SECRET})

    def test_file_cannot_be_written(self):
        """As on a full disk: the new file does not fit, so the old one stands and the key is in both places."""

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))

        self.wgfido("protect", "wg0", "--yes", status=1, preexec_fn=limit)
        self.assertIn("still has its key", self.err)
        self.assertEqual(self.conf(), CONF.encode())
        self.assertEqual(self.leftovers(), [])
        self.assertEqual(self.keeper.keys, {"wg0": SECRET})
        self.wgfido("protect", "wg0", "--yes")


class Killed(ProtectCase):
    """Killed before each step that changes something, then run again."""

    @classmethod
    def setUpClass(cls):
        cls.hook = os.path.abspath(os.path.join(BUILD, "kill_at-%d.so" % os.getpid()))
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kill_at.c")
        compiler = os.environ.get("CC", "cc").split()
        subprocess.run([*compiler, "-shared", "-fPIC", "-o", cls.hook, source, "-ldl"], check=True)

    @classmethod
    def tearDownClass(cls):
        os.unlink(cls.hook)

    def key_is_somewhere(self):
        in_conf = SECRET64.encode() in self.conf()
        held = self.keeper.keys.get("wg0") == SECRET
        self.assertTrue(in_conf or held)
        # Whole, never half.
        back = self.conf().replace(b"#wgfido# ", b"").replace(b"(held by wgfido)", SECRET64.encode())
        self.assertEqual(back, CONF.encode())
        return in_conf, held

    def run_killed(self, n, *argv):
        env = dict(self.env, LD_PRELOAD=self.hook, KILL_AT=str(n))
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        done = subprocess.run(
            [WGFIDO, *argv], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True, timeout=PATIENCE * 4, check=False,
        )
        self.assertIn(done.returncode, (0, -signal.SIGKILL), done.stderr.decode())
        return done.returncode == 0

    def start_over(self):
        self.keeper.keys.clear()
        self.keeper.slots = []
        for d in ("etc", "wireguard"):
            shutil.rmtree(self.where(d))
            os.mkdir(self.where(d))
        self.write("wireguard/wg0.conf", CONF)
        self.keeper.reload(None, lambda: None, None)

    def everywhere(self, prepare, *argv):
        seen = set()
        for n in range(1, 200):
            self.start_over()
            prepare()
            finished = self.run_killed(n, *argv)
            seen.add(self.key_is_somewhere())
            if finished:
                return n, seen
            yield n
        self.fail("it never comes to its end")

    def through(self, prepare, argv, then):
        steps = self.everywhere(prepare, *argv)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value
            then()

    def test_protect(self):
        def again():
            self.wgfido("protect", "wg0", "--yes")
            self.assertEqual(self.key_is_somewhere(), (False, True))
            self.assertEqual(self.leftovers(), [])
            self.wgfido("unprotect", "wg0")
            self.assertEqual(self.conf(), CONF.encode())

        n, seen = self.through(lambda: None, ["protect", "wg0", "--yes"], again)
        self.assertGreater(n, 15)
        self.assertEqual(seen, {(True, False), (True, True), (False, True)})

    def test_unprotect(self):
        def again():
            if self.keeper.keys:
                left_key = any(SECRET64.encode() in self.read("wireguard/" + n) for n in self.leftovers())
                self.left_keys += left_key
                self.wgfido("unprotect", "wg0")
            self.assertEqual(self.leftovers(), [])
            self.assertEqual(self.conf(), CONF.encode())
            self.assertEqual(self.keeper.keys, {})

        self.left_keys = 0
        n, seen = self.through(lambda: self.wgfido("protect", "wg0", "--yes"), ["unprotect", "wg0"], again)
        # Between the writing and the renaming there is one; the verb that is run again takes it away.
        self.assertGreater(self.left_keys, 0)
        self.assertGreater(n, 8)
        self.assertEqual(seen, {(False, True), (True, True), (True, False)})


class Keyslots(ProtectCase):
    def setUp(self):
        super().setUp()
        self.wgfido("protect", "wg0", "--yes")
        self.broker.calls.clear()

    def test_list_add_remove(self):
        out = self.wgfido("keyslot", "list", "wg0")
        self.assertRegex(out, r"  1  security key   touch      1970-01-01  label\n  2  recovery code ")
        self.wgfido("keyslot", "add", "wg0", "--label", "spare")
        self.assertIn("keyslot 3", self.out)
        self.assertEqual(self.broker.calls[-1].options, {"label": "spare"})
        self.wgfido("keyslot", "add", "wg0", "--recovery", "--yes")
        self.assertIn("recovery code: NEWER", self.out)
        self.wgfido("keyslot", "remove", "wg0", "1")
        self.assertIn("rekey", self.out)
        self.assertEqual([n for n, kind in self.keeper.slots], [2, 3, 4])
        self.wgfido("keyslot", "remove", "wg0", "one", status=2)
        self.wgfido("keyslot", status=2)
        self.wgfido("keyslot", "add", status=2)

    def test_recover(self):
        r, w = os.pipe()
        os.write(w, CODE)
        os.close(w)
        self.wgfido("keyslot", "recover", "wg0", "--recovery-fd", str(r), pass_fds=[r])
        os.close(r)
        self.assertEqual(self.broker.calls[-1].options, {"recovery": CODE})
        self.assertIn("wgfido rekey wg0", self.out)
        t = self.terminal("keyslot", "recover", "wg0")
        t.expect("Recovery code.*: ")
        t.type(CODE.decode() + "\n")
        t.expect("has keyslot")
        self.assertNotIn(CODE.decode(), t.text)
        self.assertEqual(t.finish(), 0)
        self.assertEqual(self.broker.calls[-1].options, {"recovery": CODE})
        self.wgfido("keyslot", "recover", "wg0", status=24)
        self.assertIn("--recovery-fd", self.err)

    def test_pins_of_new_and_old(self):
        needs_old = fake.prompt("touch-new", fake.fail("PinRequired"), token="Spare", step=2, steps=3)
        self.broker.answers["AddKeyslot"] = [fake.fail("PinRequired"), needs_old, self.keeper.add]
        t = self.terminal("keyslot", "add", "wg0")
        t.expect("PIN of .*: ")
        t.type("newpin\n")
        t.expect("PIN of .*: ")
        t.type("oldpin\n")
        t.expect("has keyslot 3")
        self.assertEqual(t.finish(), 0)
        self.assertEqual(self.broker.calls[-1].options, {"pin": b"newpin", "old-pin": b"oldpin"})

    def test_rekey(self):
        self.wgfido("rekey", "wg0", "--yes")
        self.assertIn("PublicKey = %s\n" % public(self.keeper.generated), self.out)
        self.assertIn("recovery code: ", self.out)


class Enroll(ProtectCase):
    def test_makes_configuration(self):
        self.wgfido("enroll", "wg0", status=1)
        self.wgfido("enroll", "wg0", "--no-recovery", status=24)
        self.assertIn("--yes", self.err)
        self.assertEqual(os.listdir(self.where("etc")), [])
        self.wgfido("enroll", "wg0", "--yes")
        text = self.read("etc/wg0.conf").decode()
        self.assertIn("[Interface]\nMode = psk\nPublicKey = %s\n" % public(SECRET), text)
        self.assertIn("[Peer]\nPublicKey = %s\n\n[Peer]\nPublicKey = %s\n" % (KEY["A"], KEY["B"]), text)
        self.assertNotIn(SECRET64, text)
        self.assertIn("PublicKey = %s\n" % public(SECRET), self.wgfido("gateway", "wg0"))

    def test_asks(self):
        t = self.terminal("enroll", "wg0", "--no-recovery")
        t.expect(r"for its 2 peers \(Mode = psk\)\? \[y/N\] ")
        t.type("y\n")
        t.expect("is enrolled")
        self.assertEqual(t.finish(), 0)

    def test_fails(self):
        self.broker.answers["Enroll"] = [fake.fail("TokenMissing")]
        self.wgfido("enroll", "wg0", "--yes", status=10)
        self.assertEqual(os.listdir(self.where("etc")), [])
        self.wgfido("enroll", "wg7", "--yes", status=24)
        self.assertIn("wgfido.conf(5)", self.err)


if __name__ == "__main__":
    unittest.main()
