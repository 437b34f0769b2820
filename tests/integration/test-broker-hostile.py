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


if __name__ == "__main__":
    unittest.main()
