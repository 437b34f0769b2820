#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What somebody on the bus without any right can make the rotation agent believe."""
import os

import dbus
import dbus.lowlevel

import fake_broker
from broker_case import BUILD, NAME, BrokerCase, unittest

AGENT = os.path.join(BUILD, "agent", "wgfido-rotate")


class Signals(BrokerCase):
    def start_agent(self):
        self.agent_log = os.path.join(self.dir, "agent.log")
        run, sockets = os.path.join(self.dir, "run"), os.path.join(self.dir, "sockets")
        for d in (run, sockets):
            os.mkdir(d)
        with open(self.agent_log, "w", encoding="utf-8") as log:
            agent = self.spawn([AGENT, "--config-dir", self.etc, "--run-dir", run, "--wireguard-dir", sockets, "--debug"],
                               env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.address), stderr=log)
        self.wait_for(lambda: "the broker is here" in self.read_agent_log(), "the agent")
        driver = self.bus.get_object("org.freedesktop.DBus", "/org/freedesktop/DBus", introspect=False)
        for name in driver.ListNames(dbus_interface="org.freedesktop.DBus"):
            if name.startswith(":") and driver.GetConnectionUnixProcessID(
                    name, dbus_interface="org.freedesktop.DBus") == agent.pid:
                return name
        raise AssertionError("the agent is not on the bus")

    def read_agent_log(self):
        with open(self.agent_log, encoding="utf-8") as f:
            return f.read()

    def test_forged_owner(self):
        self.config()
        self.start_broker()
        agent = self.start_agent()
        for owner in (self.bus.get_unique_name(), ""):
            m = dbus.lowlevel.SignalMessage("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged")
            m.append(NAME, self.bus.get_name_owner(NAME), owner, signature="sss")
            m.set_destination(agent)
            self.bus.send_message(m)
        self.bus.flush()
        # It hears of the broker's real end behind all that.
        self.assertEqual(self.stop_broker(), 0)
        self.wait_for(lambda: "the broker is gone" in self.read_agent_log(), "the broker's end")
        self.assertEqual(self.read_agent_log().count("the broker is gone"), 1)
        self.assertEqual(self.read_agent_log().count("the broker is here"), 1)

    def test_asks_again(self):
        """A broker that cannot say what is approved is asked again, although it never goes away."""
        self.config()
        broker = fake_broker.Broker(self.address)
        self.addCleanup(broker.close)
        broker.objects_refused = 2
        broker.start()
        self.start_agent()
        self.wait_for(lambda: broker.objects_asked >= 3, "the third question")
        self.assertEqual(self.read_agent_log().count("does not say what is approved"), 2)


if __name__ == "__main__":
    unittest.main()
