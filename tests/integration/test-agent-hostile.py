#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the rotation agent makes of what it hears on the bus: of a broker's signals, and of what somebody without any right sends."""
import os
import socket
import threading

import dbus
import dbus.lowlevel

import fake_broker
from broker_case import BUILD, NAME, BrokerCase, key, unittest


class ClosedWireGuard(threading.Thread):
    """The socket of a userspace WireGuard that has no key and no peers."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.sets = 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                request = connection.recv(4096)
                while request and not request.endswith(b"\n\n"):
                    request += connection.recv(4096)
                if request.startswith(b"set=1"):
                    self.sets += 1
                try:
                    if request:
                        connection.send(b"errno=0\n\n")
                except OSError:
                    pass  # nobody waited for it

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.join()
        self.socket.close()


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

    def test_prompts_are_told_once(self):
        """While a touch is waited for signals come in numbers: the agent's log has each state once, and nothing is closed anew."""
        self.config(ifname="lo", mode="identity", peers="")
        broker = fake_broker.Broker(self.address)
        self.addCleanup(broker.close)
        tunnel = broker.add(fake_broker.Tunnel, "lo", Mode="identity", PublicKey=key("C"))
        broker.start()
        self.start_agent()
        # Any interface does: that it is a WireGuard's only the socket says.
        wireguard = ClosedWireGuard(os.path.join(self.dir, "sockets", "lo.sock"))
        self.addCleanup(wireguard.close)
        self.wait_for(lambda: "lo: closed (not approved: locked)" in self.read_agent_log(), "the closed interface")
        # What it was closed for before the broker had answered all questions is not what this is about.
        start = self.read_agent_log().index("lo: closed (not approved: locked)")
        sets = wireguard.sets
        states = ["locked", "waiting", "touch-needed"]
        for state in states:
            for step in range(3):
                tunnel.set(State=state, Prompt="touch", PromptStep=dbus.UInt32(step))
            self.wait_for(lambda: "(not approved: %s)" % state in self.read_agent_log()[start:], state)
        lines = [line.split("lo: ", 1)[1] for line in self.read_agent_log()[start:].splitlines() if "lo: " in line]
        told = [[]]
        for line in lines:
            if line.startswith("closed (not approved: "):
                told[-1].append(line)
            else:
                # This process was kept waiting for seconds, and no broker or WireGuard answered: what follows is news again.
                self.assertRegex(line, r"does not answer|timed out|^closed \(not approved\)$")
                told.append([])
        for part in told:
            self.assertEqual(len(part), len(set(part)), lines)
        self.assertEqual(list(dict.fromkeys(sum(told, []))), ["closed (not approved: %s)" % state for state in states])
        self.assertEqual(wireguard.sets, sets)


if __name__ == "__main__":
    unittest.main()
