#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`wgfido gateway --windows`: from whose key, which windows, into what file; held to the independent code of the vectors."""
import base64
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time

from client_case import KEY, WGFIDO, Runner, unittest

SOURCE = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
spec = importlib.util.spec_from_file_location("schedule", os.path.join(SOURCE, "tests", "vectors", "schedule.py"))
schedule = importlib.util.module_from_spec(spec)
spec.loader.exec_module(schedule)

# Not clamped, as a key may be in a file; WireGuard hands it back clamped.
SECRET = bytes([7] * 31 + [0xff])
SECRET64 = base64.b64encode(SECRET).decode()
CLAMPED64 = base64.b64encode(schedule.clamp(SECRET)).decode()
PUBLIC64 = base64.b64encode(schedule.public(SECRET)).decode()
HANDLE = "wgfido/resident/AgAXmEs1bjbvukR5djn7rg5IJ60="
DAY = 86400


class Windows(Runner, unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="wgfido-windows.")
        self.addCleanup(shutil.rmtree, self.dir)
        self.prepare_client("unix:path=/nonexistent")
        os.mkdir(self.where("bin"))
        self.env["PATH"] = self.where("bin") + ":" + os.environ["PATH"]
        self.wg("exit 1")
        self.write("wireguard/wg0.conf", "[Interface]\nPrivateKey = %s\n" % SECRET64)

    def wg(self, script):
        self.write("bin/wg", "#!/bin/sh\n" + script + "\n")
        os.chmod(self.where("bin/wg"), 0o755)

    def parse(self, text):
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        self.assertEqual(lines[0], "wgfido-window-keys 1")
        head = dict(line.split(" = ") for line in lines[1:5])
        self.assertEqual(int(head["Count"]), len(lines[5:]))
        return head, lines[5:]

    def assert_right(self, text, length, offset=0, span=90 * DAY):
        head, keys = self.parse(text)
        first, now = int(head["First"]), int(time.time())
        self.assertEqual(head["PublicKey"], PUBLIC64)
        self.assertEqual((first - offset) % length, 0)
        self.assertTrue(first <= now < first + length or now - first - length < 60, "the window at hand is the first")
        self.assertGreaterEqual(first + len(keys) * length, now - 60 + span)
        self.assertLess(first + (len(keys) - 1) * length, now + span)
        for i in (0, 1, len(keys) - 1):
            g = schedule.window_private(SECRET, (first + i * length) // 3600, length // 3600)
            self.assertEqual(keys[i], base64.b64encode(schedule.public(g)).decode())
        self.assertEqual(len(set(keys)), len(keys))

    def test_file(self):
        out = self.wgfido("gateway", "wg0", "--windows", "90d")
        self.assert_right(self.read("etc/wg0.windows").decode(), DAY)
        self.assertEqual(os.stat(self.where("etc/wg0.windows")).st_mode & 0o777, 0o644)
        self.assertIn("\nWindowKeys = 24h\n", out)
        self.assertIn("\nWindowKeysFile = /etc/wgfido/IFACE.windows\n", out)
        self.assertEqual(os.listdir(self.where("etc")), ["wg0.windows"])

    def test_plan_and_output(self):
        out = self.wgfido("gateway", "--windows", "10d", "--window", "12h at 16:00", "--output", "-", "wg0")
        self.assert_right(out, DAY // 2, 4 * 3600, 10 * DAY)
        self.assertIn("Window = 12h at 04:00\n", out)
        self.assertEqual(os.listdir(self.where("etc")), [])
        self.wgfido("gateway", "wg0", "--windows", "2d", "--from", "2031-01-01", "--output", self.where("x"))
        head, keys = self.parse(self.read("x").decode())
        self.assertEqual((head["First"], len(keys)), ("1924992000", 2))

    def test_running_interface_comes_first(self):
        self.write("wireguard/wg0.conf", "[Interface]\nPrivateKey = %s\n" % KEY["A"])
        self.wg('[ "$*" = "show wg0 private-key" ] && echo %s' % CLAMPED64)
        self.wgfido("gateway", "wg0", "--windows", "3d")
        self.assert_right(self.read("etc/wg0.windows").decode(), DAY, span=3 * DAY)
        # One that has no key, and one that says more than a key.
        for words in ("(none)", "x" * 200):
            self.wg("echo '%s'" % words)
            self.wgfido("gateway", "wg0", "--windows", "3d", "--output", "-")
            self.assertEqual(self.parse(self.out)[0]["PublicKey"], base64.b64encode(schedule.public(base64.b64decode(KEY["A"]))).decode())

    def test_length_of_the_configuration(self):
        peer = "[Peer]\nPublicKey = %s\nTokenPublicKey = %s\nWindowKeys = %s\n"
        self.write("etc/wg0.conf", "[Interface]\nMode = psk\nPublicKey = %s\n" % PUBLIC64 + peer % (KEY["A"], KEY["B"], "12h at 04:00"))
        self.assert_right(self.wgfido("gateway", "wg0", "--windows", "9d", "--output", "-"), DAY // 2, 4 * 3600, 9 * DAY)
        self.assertEqual(self.err, "")
        self.wgfido("gateway", "wg0", "--windows", "9d", "--window", "24h", "--output", "-")
        self.assertIn("has WindowKeys = 12h at 04:00: these are not for it", self.err)

    def refuse(self, words, *argv, status=24):
        self.wgfido("gateway", *argv, status=status)
        self.assertIn(words, self.err)
        self.assertNotIn(SECRET64, self.out + self.err)
        self.assertEqual(os.listdir(self.where("etc")), [])

    def test_refusals(self):
        self.refuse("--windows 0 is not allowed", "wg0", "--windows", "0")
        self.refuse("--windows 90 is not allowed", "wg0", "--windows", "90")
        self.refuse("at most 4095 windows", "wg0", "--windows", "5000d")
        self.refuse("--window 90m is not allowed", "wg0", "--windows", "9d", "--window", "90m")
        self.refuse("--from wants a date", "wg0", "--windows", "9d", "--from", "yesterday", status=2)
        self.refuse("are of --windows", "wg0", "--window", "24h", status=2)
        self.refuse("no name of an interface", "../wg0", "--windows", "9d", status=2)
        self.refuse("Neither a running wg1 nor", "wg1", "--windows", "9d")
        for text, words in (("", "no PrivateKey line"), ("PrivateKey = x\n", "wg0.conf:2: the PrivateKey is no"),
                            ("PrivateKey = %s\n" % HANDLE, "the handle of a key"),
                            ("PrivateKey = %s\nPrivateKey = %s\n" % (SECRET64, SECRET64), "more than one PrivateKey")):
            self.write("wireguard/wg0.conf", "[Interface]\n" + text)
            self.refuse(words, "wg0", "--windows", "9d")

    def test_no_secret_is_passed_on(self):
        """The key is in no argument, no environment, no file."""
        self.wg('{ echo "$*"; env; } >> %s/seen; echo %s' % (self.dir, CLAMPED64))
        self.wgfido("gateway", "wg0", "--windows", "9d")
        seen = self.read("seen").decode() + self.read("etc/wg0.windows").decode() + self.out + self.err
        for text in (SECRET64, CLAMPED64, SECRET.hex()):
            self.assertNotIn(text, seen)

    def test_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([WGFIDO, "gateway", "wg0", "--windows", "9d", "--output", "-"], env=self.env,
                                  stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.refuse("cannot be written", "wg0", "--windows", "9d", "--output", self.where("no/such/file"), status=1)


if __name__ == "__main__":
    unittest.main()
