#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What somebody on the bus without any right can do to the broker: forge signals, send odd bytes, ask at bad moments."""
import sys

import dbus
import dbus.lowlevel

from broker_case import HERE, MANAGER, NAME, PEER, ROOT, TUNNEL, BrokerCase, subprocess, unittest

DRIVER = ("/org/freedesktop/DBus", "org.freedesktop.DBus")
LOGIND = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager")


class Hostile(BrokerCase):
    def forge(self, path, interface, member, signature, *args):
        """A signal straight to the broker, which passes by its matches."""
        m = dbus.lowlevel.SignalMessage(path, interface, member)
        m.append(*args, signature=signature)
        m.set_destination(self.bus.get_name_owner(NAME))
        self.bus.send_message(m)
        # Answered after it has read what came before.
        self.get(ROOT, MANAGER, "Version")

    def approved(self, *ifnames):
        for ifname in ifnames:
            self.enroll(ifname)
            self.approve(ifname)


class Signals(Hostile):
    def test_name_lost(self):
        self.config()
        self.start_broker()
        self.token()
        self.approved("wg0")
        self.forge(*DRIVER, "NameLost", "s", NAME)
        self.assertIsNone(self.daemon.poll())
        self.assertEqual(self.tunnel_state(), "approved")

    def test_logind(self):
        mock = self.spawn([sys.executable, "-B", HERE + "/mock_logind.py", self.address, "na"], ready=True,
                          stdin=subprocess.PIPE, text=True)
        self.addCleanup(mock.stdin.close)
        self.config("wg0", extra="EndOn = suspend\n")
        self.start_broker()
        self.assertEqual(mock.stdout.readline().strip(), "inhibited sleep delay")
        self.token()
        self.approved("wg0")
        self.forge(*LOGIND, "PrepareForSleep", "b", True)
        self.assertEqual(self.tunnel_state(), "approved")
        # Nor may it make the broker let go of what holds suspend back: the real one still waits for us.
        self.forge(*DRIVER, "NameOwnerChanged", "sss", "org.freedesktop.login1", "", self.bus.get_unique_name())
        self.forge(*LOGIND, "PrepareForSleep", "b", True)
        self.assertEqual(self.tunnel_state(), "approved")
        mock.stdin.write("sleep\n")
        mock.stdin.flush()
        self.assertEqual(mock.stdout.readline().strip(), "released")
        self.assertEqual(self.tunnel_state(), "locked")


class Overtaken(Hostile):
    """What ends an approval also ends what was about to become one, however late the touch comes."""

    def setUp(self):
        super().setUp()
        self.config("wg0", extra="EndOn = suspend\nApprovalScope = peer\n", peers="AB")
        self.config("wg1")

    def waiting(self, *ifnames):
        self.red = self.token("red")
        for ifname in ifnames:
            self.enroll(ifname)
        self.red.touching = "manual"
        self.red.unplug().plug()

    def begin_peer(self, letter):
        call = self.begin(self.peer(letter), PEER, "Approve", self.options())
        self.wait_for(lambda: self.get(self.peer(letter), PEER, "State") == "touch-needed", "the prompt")
        return call

    def begin_tunnel(self, ifname, **options):
        call = self.begin_approve(ifname, **options)
        self.wait_for(lambda: self.tunnel_state(ifname) == "touch-needed", "the prompt")
        return call

    def test_revoke(self):
        self.start_broker()
        self.waiting("wg0", "wg1")
        call = self.begin_tunnel("wg1")
        self.call(self.tunnel("wg0"), TUNNEL, "Revoke")
        self.assertEqual(self.tunnel_state("wg1"), "touch-needed")
        self.call(self.tunnel("wg1"), TUNNEL, "Revoke")
        self.assertRefused("Cancelled", call.finish, text="revoked meanwhile")
        self.assertEqual(self.tunnel_state("wg1"), "locked")
        self.wait_for(lambda: self.red.status() == "idle", "the token to stop blinking")

    def test_revoke_of_another_peer(self):
        self.start_broker()
        self.waiting("wg0")
        call = self.begin_peer("A")
        self.call(self.peer("B"), PEER, "Revoke")
        self.assertEqual(self.get(self.peer("A"), PEER, "State"), "touch-needed")
        self.call(self.peer("A"), PEER, "Revoke")
        self.assertRefused("Cancelled", call.finish)

    def test_lock_all(self):
        self.start_broker()
        self.waiting("wg1")
        call = self.begin_tunnel("wg1")
        self.assertEqual(self.call(ROOT, MANAGER, "LockAll"), 0)
        self.assertRefused("Cancelled", call.finish, text="locked meanwhile")

    def test_suspend(self):
        mock = self.spawn([sys.executable, "-B", HERE + "/mock_logind.py", self.address, "na"], ready=True,
                          stdin=subprocess.PIPE, text=True)
        self.addCleanup(mock.stdin.close)
        self.start_broker()
        self.assertEqual(mock.stdout.readline().strip(), "inhibited sleep delay")
        self.waiting("wg0", "wg1")
        call = self.begin_peer("A")
        other = self.begin_approve("wg1")  # the token is taken
        self.wait_for(lambda: self.tunnel_state("wg1") == "waiting", "its turn")
        mock.stdin.write("sleep\n")
        mock.stdin.flush()
        self.assertEqual(mock.stdout.readline().strip(), "released")
        self.assertRefused("Cancelled", call.finish, text="suspend")
        self.assertRefused("Cancelled", other.finish, text="suspend")

    def test_removed_slot(self):
        self.start_broker()
        self.token("blue")
        self.enroll("wg1")
        red = self.token("red")
        slot = self.call(self.tunnel("wg1"), TUNNEL, "AddKeyslot", self.options())["slot"]
        red.touching = "manual"
        red.unplug().plug()
        call = self.begin_tunnel("wg1", token="soft-red")
        self.call(self.tunnel("wg1"), TUNNEL, "RemoveKeyslot", dbus.UInt32(slot), self.options(token="soft-blue"))
        self.assertRefused("Cancelled", call.finish, text="keyslot was removed")

    def test_export_of_a_key_that_was_replaced(self):
        self.config("wg2", mode="identity")
        self.start_broker()
        self.waiting("wg2")
        self.token("blue")
        call = self.begin(self.tunnel("wg2"), TUNNEL, "ExportKey", self.options(token="soft-red", forget=True))
        self.wait_for(lambda: self.tunnel_state("wg2") == "touch-needed", "the prompt")
        self.call(self.tunnel("wg2"), TUNNEL, "Rekey", self.options(token="soft-blue"))
        self.assertRefused("Cancelled", call.finish, text="its key was replaced")


class Text(Hostile):
    def test_option_cut_in_the_middle_of_a_letter(self):
        self.config()
        self.start_broker()
        self.assertRefused("InvalidArgument", self.approve, **{"x" * 63 + "\u00e9": 1})


if __name__ == "__main__":
    unittest.main()
