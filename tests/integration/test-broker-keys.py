#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The broker and key files: made, replaced, taken in and out, damaged, and written to a full disk."""
import base64
import json
import os
import resource
import shutil
import unittest

import dbus

from broker_case import MANAGER, ROOT, TUNNEL, BrokerCase, pipe_with, read_pipe


class Keys(BrokerCase):
    def key_file(self, ifname="wg0"):
        return os.path.join(self.keys, ifname + ".key")

    def key_files(self):
        """All there is below the directory of keys."""
        return sorted(os.path.join(os.path.relpath(d, self.keys), f) for d, _, files in os.walk(self.keys) for f in files)

    def read_key_file(self, ifname="wg0"):
        with open(self.key_file(ifname), "rb") as f:
            return f.read()

    def write_key_file(self, data, ifname="wg0"):
        with open(self.key_file(ifname), "wb") as f:
            f.write(data)
        self.call(ROOT, MANAGER, "Reload")

    def slots(self, ifname="wg0"):
        return [(int(s[0]), str(s[1]), str(s[2]), str(s[3])) for s in self.get(self.tunnel(ifname), TUNNEL, "KeySlots")]

    def public_key(self, ifname="wg0"):
        return str(self.get(self.tunnel(ifname), TUNNEL, "PublicKey"))

    def tunnel_call(self, method, *args, ifname="wg0", **options):
        return self.call(self.tunnel(ifname), TUNNEL, method, *args, self.options(**options))

    def steps(self, call, token, n):
        """Touches n times, and sees each prompt."""
        for step in range(1, n + 1):
            self.wait_for(lambda: self.get(self.tunnel(), TUNNEL, "PromptStep") == step and
                          self.tunnel_state() == "touch-needed", "step %d" % step)
            self.assertEqual(self.get(self.tunnel(), TUNNEL, "PromptSteps"), n)
            token.touch()
        return call.finish()


class Making(Keys):
    def setUp(self):
        super().setUp()
        self.config()
        self.start_broker()

    def test_enroll(self):
        token = self.token(touch="manual")
        result = self.steps(self.begin(self.tunnel(), TUNNEL, "Enroll", self.options(label="my key")), token, 3)
        self.assertEqual(self.key_files(), ["./wg0.key"])
        self.assertEqual(os.stat(self.key_file()).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(self.keys).st_mode & 0o777, 0o700)
        # A recovery code is made unless one says otherwise.
        self.assertEqual(self.slots(), [(1, "hmac-secret", "my key", "presence"), (2, "recovery", "recovery code", "")])
        self.assertRegex(read_pipe(result["recovery"]).decode(), r"^([0-9A-Z]{5}-)+[0-9A-Z]+$")
        self.assertEqual(result["public-key"], self.public_key())
        self.assertRefused("Exists", self.enroll)

    def test_enroll_pulled_at_each_step(self):
        for step in (1, 2, 3):
            with self.subTest(step=step):
                token = self.token("blue%d" % step, touch="manual")
                call = self.begin(self.tunnel(), TUNNEL, "Enroll", self.options())
                for _ in range(1, step):
                    token.touch()
                self.wait_for(lambda: self.get(self.tunnel(), TUNNEL, "PromptStep") == step and
                              self.tunnel_state() == "touch-needed", "the step")
                token.unplug()
                e = self.assertRefused("TokenFailed", call.finish)
                self.assertEqual("removed" in e.get_dbus_message(), step == 3)
                self.assertEqual(self.key_files(), [])
                self.assertEqual(self.tunnel_state(), "unenrolled")

    def test_enroll_caller_cancels_at_the_proof(self):
        token = self.token(touch="manual")
        call = self.begin(self.tunnel(), TUNNEL, "Enroll", self.options())
        token.touch()
        token.touch()
        self.wait_for(lambda: self.get(self.tunnel(), TUNNEL, "PromptStep") == 3 and token.status() == "touch", "the proof")
        self.assertEqual(self.key_files(), ["new/wg0.key"])
        self.call(self.tunnel(), TUNNEL, "Cancel")
        self.assertRefused("Cancelled", call.finish)
        self.wait_for(lambda: not self.key_files(), "the unproved file to go")

    def test_enroll_with_two_tokens(self):
        self.token("blue")
        self.token("red")
        self.assertRefused("InvalidArgument", self.enroll, text="several")
        self.enroll(token="soft-red")

    def test_enroll_waits_for_a_token(self):
        call = self.begin(self.tunnel(), TUNNEL, "Enroll", self.options(wait=True, recovery=False))
        self.wait_for(lambda: self.get(self.tunnel(), TUNNEL, "Prompt") == "token", "the wait")
        self.token("blue", plug=False).plug(wait=False)
        call.finish()
        self.assertEqual(self.tunnel_state(), "locked")

    def test_two_at_once(self):
        token = self.token(touch="manual")
        call = self.begin(self.tunnel(), TUNNEL, "Enroll", self.options(recovery=False))
        self.wait_for(lambda: self.tunnel_state() == "touch-needed", "the first")
        self.assertRefused("TokenBusy", self.enroll)
        for _ in range(3):
            token.touch()
        call.finish()

    def test_rekey(self):
        token = self.token()
        self.assertRefused("NotEnrolled", self.tunnel_call, "Rekey")
        self.enroll()
        before = self.public_key()
        self.approve()
        psk = self.get_psk()[0]
        result = self.tunnel_call("Rekey", recovery=False)
        self.assertEqual(result["public-key"], self.public_key())
        self.assertNotEqual(self.public_key(), before)
        self.assertEqual(self.tunnel_state(), "locked")
        self.assertEqual(self.get(self.tunnel(), TUNNEL, "EndReason"), "reconfigured")
        self.approve()
        self.assertNotEqual(self.get_psk()[0], psk)
        self.assertTrue(token.path())

    def test_rekey_that_fails_leaves_the_old_key(self):
        token = self.token()
        self.enroll()
        before = self.read_key_file()
        token.touching = "manual"
        for step in (1, 2, 3):
            if token.process:
                token.unplug()
            token.plug()
            call = self.begin(self.tunnel(), TUNNEL, "Rekey", self.options())
            for _ in range(1, step):
                token.touch()
            self.wait_for(lambda: self.get(self.tunnel(), TUNNEL, "PromptStep") == step and
                          self.tunnel_state() == "touch-needed", "the step")
            token.unplug()
            self.assertRefused("TokenFailed", call.finish)
            self.assertEqual(self.read_key_file(), before)
            self.assertEqual(self.key_files(), ["./wg0.key"])
        token.touching = "auto"
        token.plug()
        self.approve()

    def test_crash_before_the_proof(self):
        token = self.token()
        self.enroll()
        before = self.read_key_file()
        token.touching = "manual"
        token.unplug().plug()
        call = self.begin(self.tunnel(), TUNNEL, "Rekey", self.options())
        token.touch()
        token.touch()
        self.wait_for(lambda: "new/wg0.key" in self.key_files(), "the new file")
        self.stop_broker(sig=9)
        with self.assertRaises(dbus.DBusException):
            call.finish()
        self.assertEqual(self.read_key_file(), before)
        self.start_broker()
        self.assertEqual(self.key_files(), ["./wg0.key"])
        token.touching = "auto"
        self.wait_for(token.is_known, "the token")
        token.unplug().plug()
        self.approve()


class Slots(Keys):
    def setUp(self):
        super().setUp()
        self.config()
        self.start_broker()
        self.blue = self.token("blue")
        self.code = read_pipe(self.enroll(recovery=True, label="blue key")["recovery"])

    def test_add_and_remove(self):
        # With one port: the new one first, then the old one.
        self.blue.unplug()
        red = self.token("red", touch="manual")
        call = self.begin(self.tunnel(), TUNNEL, "AddKeyslot", self.options(label="red key"))
        for step in (1, 2):
            self.wait_for(lambda: self.get(self.tunnel(), TUNNEL, "PromptStep") == step and
                          self.tunnel_state() == "touch-needed", "step")
            self.assertEqual(self.get(self.tunnel(), TUNNEL, "Prompt"), "touch-new")
            red.touch()
        self.wait_for(lambda: self.get(self.tunnel(), TUNNEL, "Prompt") == "token-with-key", "the wait for an old one")
        red.unplug()
        self.blue.plug(wait=False)
        self.assertEqual(call.finish()["slot"], 3)
        self.assertIn((3, "hmac-secret", "red key", "presence"), self.slots())
        self.blue.unplug()
        red.touching = "auto"
        red.plug()
        self.approve()
        # Each with a touch; never the last one; numbers are not used twice.
        self.tunnel_call("RemoveKeyslot", dbus.UInt32(1))
        self.assertEqual(self.tunnel_state(), "locked")
        self.assertRefused("InvalidArgument", self.tunnel_call, "RemoveKeyslot", dbus.UInt32(1), text="no such")
        self.tunnel_call("RemoveKeyslot", dbus.UInt32(2))
        self.assertRefused("InvalidArgument", self.tunnel_call, "RemoveKeyslot", dbus.UInt32(3), text="last")
        red.unplug()
        self.blue.plug()
        self.assertRefused("WrongToken", self.approve)

    def test_add_what_is_there_already(self):
        self.assertRefused("Exists", self.tunnel_call, "AddKeyslot")

    def test_both_plugged_in(self):
        self.token("red")
        self.assertEqual(self.tunnel_call("AddKeyslot")["slot"], 3)
        self.token("green")
        self.assertEqual(self.tunnel_call("AddKeyslot")["slot"], 4)

    def test_recovery_code(self):
        self.blue.unplug()
        red = self.token("red")
        self.tunnel_call("AddKeyslot", recovery=pipe_with(self.code))
        self.approve()
        red.unplug()
        # Typed by a person
        sloppy = self.code.decode().lower().replace("-", " ").encode()
        self.tunnel_call("RemoveKeyslot", dbus.UInt32(1), recovery=pipe_with(sloppy))
        typo = (b"0" if self.code[:1] != b"0" else b"1") + self.code[1:]
        self.assertRefused("InvalidArgument", self.tunnel_call, "RemoveKeyslot", dbus.UInt32(2),
                           recovery=pipe_with(typo))
        self.assertRefused("InvalidArgument", self.tunnel_call, "RemoveKeyslot", dbus.UInt32(2),
                           text="typing error", recovery=pipe_with(b"nonsense"))

    def test_new_recovery_code(self):
        result = self.tunnel_call("AddKeyslot", type="recovery", label="second")
        self.assertEqual(self.slots()[-1], (3, "recovery", "second", ""))
        code = read_pipe(result["recovery"])
        self.assertNotEqual(code, self.code)
        self.blue.unplug()
        self.tunnel_call("RemoveKeyslot", dbus.UInt32(2), recovery=pipe_with(code))
        self.assertRefused("InvalidArgument", self.tunnel_call, "RemoveKeyslot", dbus.UInt32(1),
                           text="not of this", recovery=pipe_with(self.code))

    def test_all_taken(self):
        for _ in range(6):
            self.tunnel_call("AddKeyslot", type="recovery")
        self.assertRefused("LimitExceeded", self.tunnel_call, "AddKeyslot", type="recovery")

    def test_pins_of_old_and_new(self):
        self.blue.unplug()
        self.config("wg1")
        self.call(ROOT, MANAGER, "Reload")
        one = self.token("one", pin="111111")
        self.enroll("wg1", pin=pipe_with(b"111111"))
        one.unplug()
        self.token("two", pin="222222")
        call = self.begin(self.tunnel("wg1"), TUNNEL, "AddKeyslot",
                          self.options(pin=pipe_with(b"222222"), old_pin=pipe_with(b"111111")))
        self.wait_for(lambda: self.get(self.tunnel("wg1"), TUNNEL, "Prompt") == "token-with-key", "the wait")
        # The new token is of the same model, but its PIN tries are left alone.
        one.plug(wait=False)
        self.assertEqual(call.finish()["slot"], 2)


class Identity(Keys):
    PRIVATE = bytes([0x40] + [7] * 30 + [0x47])

    def setUp(self):
        super().setUp()
        self.config(mode="identity")
        self.start_broker()
        self.blue = self.token("blue")

    def import_key(self, ifname="wg0", private=None, **options):
        return self.call(ROOT, MANAGER, "ImportKey", ifname, pipe_with(private or self.PRIVATE), self.options(**options))

    def private_key(self):
        return read_pipe(self.call(self.tunnel(), TUNNEL, "GetPrivateKey"))

    def test_import_use_export_forget(self):
        result = self.import_key(recovery=False)
        self.assertEqual(result["public-key"], self.public_key())
        self.assertRefused("Exists", self.import_key)
        self.assertRefused("NotApproved", self.private_key)
        self.approve()
        self.assertEqual(self.private_key(), self.PRIVATE)
        # GetPsk is of the other mode.
        self.assertRefused("NotApproved", self.get_psk)
        self.call(self.tunnel(), TUNNEL, "Revoke")
        self.assertRefused("NotApproved", self.private_key)

        self.assertEqual(read_pipe(self.tunnel_call("ExportKey")), self.PRIVATE)
        self.assertRefused("Denied", self.call, self.tunnel(), TUNNEL, "ForgetKey")
        # ForgetKey is for the one who exported, on the same connection.
        proxy = self.bus.get_object("org.wgfido1", self.tunnel(), introspect=False)
        self.assertEqual(read_pipe(proxy.ExportKey(self.options(forget=True), dbus_interface=TUNNEL)), self.PRIVATE)
        self.assertRefused("Denied", self.call, self.tunnel(), TUNNEL, "ForgetKey")
        self.assertEqual(self.key_files(), ["./wg0.key"])
        proxy.ForgetKey(dbus_interface=TUNNEL)
        self.assertEqual(self.key_files(), [])
        self.assertEqual(self.tunnel_state(), "unenrolled")
        self.assertRefused("Denied", lambda: proxy.ForgetKey(dbus_interface=TUNNEL))

    def test_export_needs_a_fresh_touch(self):
        self.import_key()
        self.approve()
        self.blue.touching = "manual"
        self.blue.unplug().plug()
        call = self.begin(self.tunnel(), TUNNEL, "ExportKey", self.options())
        self.wait_for(lambda: self.tunnel_state() == "touch-needed", "the touch")
        self.blue.touch()
        self.assertEqual(read_pipe(call.finish()), self.PRIVATE)

    def test_export_with_the_recovery_code(self):
        code = read_pipe(self.import_key()["recovery"])
        self.blue.unplug()
        self.assertEqual(read_pipe(self.tunnel_call("ExportKey", recovery=pipe_with(code))), self.PRIVATE)

    def test_import_refuses(self):
        self.assertRefused("InvalidArgument", self.import_key, private=b"short")
        self.assertRefused("InvalidArgument", self.import_key, private=bytes(33))
        self.assertRefused("InvalidArgument", self.import_key, private=bytes(32), text="zero")
        handle = base64.b64decode("wgfido/resident/AgAXmEs1bjbvukR5djn7rg5IJ60=")
        self.assertRefused("InvalidArgument", self.import_key, private=handle, text="handle of a key")
        self.assertRefused("InvalidArgument", self.import_key, "wg9")
        self.config("wg1")
        self.call(ROOT, MANAGER, "Reload")
        self.assertRefused("InvalidArgument", self.import_key, "wg1", text="identity")
        with open(os.devnull, "rb") as f:
            self.assertRefused("InvalidArgument", self.call, ROOT, MANAGER, "ImportKey", "wg0",
                               dbus.types.UnixFd(f), self.options())
        r, w = os.pipe()  # which nobody fills: the broker does not wait
        self.assertRefused("InvalidArgument", self.call, ROOT, MANAGER, "ImportKey", "wg0", dbus.types.UnixFd(r),
                           self.options())
        os.close(r)
        os.close(w)
        self.assertEqual(self.key_files(), [])

    def test_psk_keys_stay(self):
        self.config("wg1")
        self.call(ROOT, MANAGER, "Reload")
        self.enroll("wg1")
        self.assertRefused("InvalidArgument", self.tunnel_call, "ExportKey", ifname="wg1")


class Damage(Keys):
    def setUp(self):
        super().setUp()
        self.config()
        self.start_broker()
        self.blue = self.token("blue")
        self.enroll(recovery=True)
        self.good = self.read_key_file()

    def test_unreadable(self):
        for what, data in (("empty", b""), ("cut", self.good[:-40]), ("half", self.good[:len(self.good) // 2]),
                           ("text", b"hello\n"), ("long", self.good + b" " * 300000)):
            with self.subTest(what):
                self.write_key_file(data)
                self.assertEqual(self.get(self.tunnel(), TUNNEL, "Held"), "damaged")
                self.assertIn("wg0.key", self.get(self.tunnel(), TUNNEL, "Problem"))
                self.assertRefused("KeyfileDamaged", self.approve)
                self.assertRefused("Exists", self.enroll)
        self.write_key_file(self.good)
        self.assertEqual(self.get(self.tunnel(), TUNNEL, "Problem"), "")
        self.approve()

    def test_edited(self):
        def edit(change):
            doc = json.loads(self.good)
            change(doc)
            self.write_key_file(json.dumps(doc).encode())

        def relabel(doc):
            doc["slots"][0]["label"] = "other"

        def drop(doc):
            del doc["slots"][1]

        for change in (relabel, drop):
            with self.subTest(change.__name__):
                edit(change)
                self.assertRefused("KeyfileDamaged", self.approve, text="altered")
                self.assertEqual(self.tunnel_state(), "locked")

    def test_of_another_tunnel(self):
        self.config("wg1")
        shutil.copy(self.key_file(), self.key_file("wg1"))
        self.call(ROOT, MANAGER, "Reload")
        self.assertEqual(self.get(self.tunnel("wg1"), TUNNEL, "Held"), "damaged")
        self.assertRefused("KeyfileDamaged", self.approve, "wg1")

    def test_rekey_repairs(self):
        self.write_key_file(self.good[:100])
        self.tunnel_call("Rekey")
        self.approve()

    def test_change_ends_approvals(self):
        self.approve()
        self.call(ROOT, MANAGER, "Reload")
        self.assertEqual(self.tunnel_state(), "approved")  # nothing changed
        self.write_key_file(self.good[:-1] + b" \n")
        self.assertEqual(self.tunnel_state(), "locked")
        self.assertEqual(self.get(self.tunnel(), TUNNEL, "EndReason"), "reconfigured")


class FullDisk(Keys):
    """A limit on the size of files stands for a full disk: the write fails half-way."""

    def limit(self, size):
        resource.prlimit(self.daemon.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def test_full(self):
        self.config()
        self.start_broker()
        self.token("blue")
        self.limit(600)
        self.assertRefused("Failed", self.enroll, text="cannot write the key file")
        self.assertEqual(self.key_files(), [])
        self.limit(resource.RLIM_INFINITY)
        self.enroll()
        before = self.read_key_file()
        self.limit(600)
        self.assertRefused("Failed", self.tunnel_call, "Rekey")
        self.assertRefused("Failed", self.tunnel_call, "AddKeyslot", type="recovery")
        self.limit(resource.RLIM_INFINITY)
        self.assertEqual(self.read_key_file(), before)
        self.assertEqual(self.key_files(), ["./wg0.key"])
        self.approve()


if __name__ == "__main__":
    unittest.main()
