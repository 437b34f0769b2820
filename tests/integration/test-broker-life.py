#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The broker's own life: configuration and reload, ends of approvals by time, logind and signals, its name and bus."""
import os
import re
import select
import signal
import subprocess
import sys
import time
import unittest

import dbus

from broker_case import HERE, MANAGER, NAME, PATIENCE, PEER, ROOT, TUNNEL, WGFIDOD, BrokerCase, boottime_us, key

SIGNALS = """import sys, dbus, dbus.bus, dbus.mainloop.glib
from gi.repository import GLib
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.bus.BusConnection(sys.argv[1])
def on_signal(*args, path=None, member=None):
    if member == "PropertiesChanged":
        print(path, *("%s=%s" % (k, v) for k, v in sorted(args[1].items())), flush=True)
    else:
        print(member, args[0], flush=True)
for member in ("PropertiesChanged", "InterfacesAdded", "InterfacesRemoved"):
    bus.add_signal_receiver(on_signal, signal_name=member, bus_name="org.wgfido1", path_keyword="path",
                            member_keyword="member")
print("ready", flush=True)
GLib.MainLoop().run()
"""


# An agent that says "ready" once it has a lease, and handles what it was sent when it gets a line.
AGENT = """import sys, dbus, dbus.bus, dbus.mainloop.glib
from gi.repository import GLib
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.bus.BusConnection(sys.argv[1])
manager = bus.get_object("org.wgfido1", "/org/wgfido1", introspect=False)
manager.Lease(dbus_interface="org.wgfido1.Manager")
print("ready", flush=True)
sys.stdin.readline()
GLib.MainLoop().run()
"""


class Life(BrokerCase):
    def watch(self):
        """All that the broker tells from now on, in a file."""
        self.told_file = os.path.join(self.dir, "told")
        with open(self.told_file, "w", encoding="utf-8") as f:
            p = subprocess.Popen([sys.executable, "-B", "-c", SIGNALS, self.address], stdout=f)
        self.processes.append(p)
        self.wait_for(lambda: "ready" in self.told(), "the watcher")

    def told(self):
        with open(self.told_file, encoding="utf-8") as f:
            return f.read()

    def approved(self, *args, **options):
        self.start_broker(*args)
        self.token()
        self.enroll()
        return self.approve(**options)

    def end_reason(self, ifname="wg0"):
        return str(self.get(self.tunnel(ifname), TUNNEL, "EndReason"))


class Configuration(Life):
    def test_one_bad_among_good(self):
        self.config("wg0")
        self.config("wg1", extra="Colour = red\n")
        self.config("wg2", peers="AA")
        with open(os.path.join(self.etc, "wg3.conf"), "w", encoding="utf-8") as f:
            f.write("[Interface]\nMode = psk\nPublicKey = notbase64\n")
        self.start_broker()
        for ifname, pattern in (("wg1", r"wg1\.conf:4: .*Colour"), ("wg2", r"wg2\.conf:6: "), ("wg3", r"wg3\.conf:3: ")):
            self.assertEqual(self.tunnel_state(ifname), "misconfigured")
            self.assertRegex(self.get(self.tunnel(ifname), TUNNEL, "Problem"), pattern)
            self.assertRefused("Failed", self.approve, ifname, text=pattern)
            self.assertRefused("Failed", self.enroll, ifname, text=pattern)
        self.token()
        self.enroll()
        self.approve()

    def test_no_directory(self):
        os.rmdir(self.etc)
        self.start_broker()
        self.assertEqual(list(self.objects()), [ROOT] if ROOT in self.objects() else [])

    def test_reload(self):
        self.config("wg0")
        self.config("wg1")
        self.start_broker()
        self.token()
        for ifname in ("wg0", "wg1"):
            self.enroll(ifname)
            self.approve(ifname)
        self.watch()
        self.config("wg1", peers="AB")
        self.config("wg2")
        self.daemon.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.get(self.tunnel("wg2"), TUNNEL, "State"), "the new tunnel")
        # What did not change goes on.
        self.assertEqual(self.tunnel_state("wg0"), "approved")
        self.assertEqual(self.tunnel_state("wg1"), "locked")
        self.assertEqual(self.get(self.peer("B", "wg1"), PEER, "State"), "locked")
        os.unlink(os.path.join(self.etc, "wg0.conf"))
        self.call(ROOT, MANAGER, "Reload")
        self.assertNotIn(self.tunnel("wg0"), self.objects())
        for line in ("InterfacesAdded " + self.tunnel("wg2"), "InterfacesAdded " + self.peer("B", "wg1"),
                     "InterfacesRemoved " + self.tunnel("wg0"), "InterfacesRemoved " + self.peer("A", "wg0")):
            self.wait_for(lambda: line + "\n" in self.told(), line)

    def test_reload_while_waiting(self):
        self.config()
        self.start_broker()
        token = self.token()
        self.enroll()
        token.unplug()
        call = self.begin_approve(wait=True)
        self.wait_for(lambda: self.tunnel_state() == "waiting", "the wait")
        self.config(peers="AB")
        self.call(ROOT, MANAGER, "Reload")
        self.assertRefused("Cancelled", call.finish, text="configuration changed")

    def test_mode_changed(self):
        self.config()
        self.start_broker()
        self.token()
        self.enroll()
        self.config(mode="identity")
        self.call(ROOT, MANAGER, "Reload")
        self.assertEqual(self.tunnel_state(), "misconfigured")
        self.assertIn("Mode", self.get(self.tunnel(), TUNNEL, "Problem"))
        self.assertRefused("Failed", self.approve, text="Mode")

    def test_window_keys_are_not_for_wrapped_keys(self):
        """Who sees the key at a touch has every window: nobody is asked for one."""
        self.config(peer_extra="WindowKeysFile = %s\n" % os.path.join(self.dir, "windows"))
        self.start_broker()
        blue = self.token()
        self.enroll()
        touches = blue.status()
        self.assertRefused("Unsupported", self.approve, text="never leaves its token")
        self.assertEqual(blue.status(), touches)
        self.assertEqual(self.tunnel_state(), "locked")

    def test_preshared_key_file(self):
        path = os.path.join(self.dir, "preshared")
        self.config(peer_extra="PresharedKeyFile = %s\n" % path)
        self.approved_error = None
        self.start_broker()
        self.token()
        self.enroll()
        self.assertRefused("Failed", self.approve, text="preshared")
        with open(path, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(key("P") + "\n")
        self.approve()
        psk = self.get_psk()[0]
        with open(path, "w", encoding="ascii") as f:
            f.write(key("Q") + "\n")
        self.approve()
        self.assertNotEqual(self.get_psk()[0], psk)

    def test_scopes(self):
        self.config("wg0", peers="AB", extra="ApprovalScope = peer\n")
        self.config("wg1", extra="ApprovalScope = global\n")
        self.config("wg2", extra="ApprovalScope = global\n")
        self.config("wg3", extra="ApprovalScope = peer\n")
        self.config("wg4", extra="ApprovalScope = global\n")
        self.start_broker()
        self.token()
        for ifname in ("wg0", "wg1", "wg2", "wg3"):
            self.enroll(ifname)
        self.assertRefused("InvalidArgument", self.approve, "wg0", text="peer")
        self.call(self.peer("B"), PEER, "Approve", self.options())
        self.assertEqual([self.get(self.peer(p), PEER, "State") for p in "AB"], ["locked", "approved"])
        self.assertRefused("NotApproved", self.get_psk, "A")
        self.get_psk("B")
        self.call(self.peer("A"), PEER, "Approve", self.options())
        self.call(self.peer("B"), PEER, "Revoke")
        self.assertEqual([self.get(self.peer(p), PEER, "State") for p in "AB"], ["approved", "locked"])
        self.assertEqual(self.get(self.peer("B"), PEER, "EndReason"), "revoked")
        # global: one touch for each enrolled one
        self.approve("wg2")
        self.assertEqual([self.tunnel_state(i) for i in ("wg1", "wg2", "wg3", "wg4")],
                         ["approved", "approved", "locked", "unenrolled"])
        # the only peer is the tunnel
        self.approve("wg3")
        self.get_psk("A", "wg3")
        # tunnel scope: a peer's approval is the tunnel's
        self.assertEqual(self.call(ROOT, MANAGER, "LockAll"), 4)
        self.assertEqual(self.end_reason("wg1"), "revoked")

    def test_named_slots(self):
        """What the side that hunts asks for where both ends have a token."""
        self.config(extra="ApprovalLifetime = 10m\n", peer_extra="TokenPublicKey = %s\n" % key("T"))
        self.approved()

        slot = self.not_at_the_end_of(120)
        psks = {}
        for ahead in range(-1, 5):
            psks[ahead], start, end = self.get_psk(slot=slot + ahead)
            self.assertEqual((start, end), ((slot + ahead) * 120, (slot + ahead + 1) * 120))
        self.assertEqual(len(set(psks.values())), 6)
        self.assertEqual(self.get_psk()[0], psks[0])
        self.assertEqual(self.get_psk(slot=slot - 1)[0], psks[-1])
        for wrong in (slot - 2, slot + 6, 0, 2**64 - 1, slot * 120):
            self.assertRefused("NotApproved", self.get_psk, slot=wrong)
        self.assertRefused("InvalidArgument", self.get_psk, slot="1")
        self.assertRefused("InvalidArgument", self.get_psk, wait=True)
        self.assertRefused("InvalidArgument", self.approve, slot=slot)
        # Its window is no wider by the number.
        self.approve(**{"for": 1})
        slot = self.not_at_the_end_of(120)
        self.assertRefused("NotApproved", self.get_psk, slot=slot + 2)
        self.wait_for(lambda: self.tunnel_state() == "locked", "the end")
        for ahead in range(-1, 6):
            self.assertRefused("NotApproved", self.get_psk, slot=slot + ahead)

    def test_slots_of_peers_that_nobody_hunts(self):
        self.config()
        self.config("wg1", peer_extra="TokenPublicKey = %s\nSchedule = static\n" % key("T"))
        self.approved()
        self.enroll("wg1")
        self.approve("wg1")
        for ifname in ("wg0", "wg1"):
            self.get_psk(ifname=ifname)
            for ahead in range(-1, 6):
                self.assertRefused("NotApproved", self.get_psk, ifname=ifname, slot=int(time.time() // 120) + ahead)

    def test_static_schedule(self):
        self.config(peer_extra="Schedule = static\n")
        self.approved()
        psk, start, end = self.get_psk()
        self.assertEqual((start, end), (0, 2**64 - 1))
        self.assertEqual(self.get_psk()[0], psk)


class Ends(Life):
    def setUp(self):
        super().setUp()
        self.config(extra="EndOn = suspend\n")

    def test_expiry(self):
        self.start_broker()
        self.token()
        self.enroll()
        self.watch()
        until = self.approve(**{"for": 1})
        self.wait_for(lambda: self.tunnel_state() == "locked", "the end")
        self.assertGreaterEqual(boottime_us(), until)
        self.assertEqual(self.end_reason(), "expired")
        self.assertRefused("NotApproved", self.get_psk)
        self.wait_for(lambda: "State=locked" in self.told(), "the signal")

    def test_lifetime_is_capped(self):
        self.config(extra="ApprovalLifetime = 10m\n")
        self.assertLess(self.approved(**{"for": 86400}), boottime_us() + 601 * 1000000)

    def test_revoke(self):
        self.approved()
        self.call(self.tunnel(), TUNNEL, "Revoke")
        self.assertEqual((self.tunnel_state(), self.end_reason()), ("locked", "revoked"))
        self.approve()
        self.assertEqual(self.end_reason(), "")
        self.call(self.peer(), PEER, "Revoke")
        self.assertEqual((self.tunnel_state(), self.end_reason()), ("locked", "revoked"))

    def test_sigterm(self):
        self.approved()
        self.watch()
        self.assertEqual(self.stop_broker(), 0)
        self.wait_for(lambda: "EndReason=stopped" in self.told(), "the last words")
        self.assertRegex(self.told(), r"/tunnel/wg0 .*EndReason=stopped.*State=locked")
        self.assertRegex(self.told(), r"/peer/\S+ .*EndReason=stopped.*State=locked")

    def test_sigterm_answers_who_waits(self):
        self.start_broker()
        token = self.token()
        self.enroll()
        token.unplug()
        call = self.begin_approve(wait=True)
        self.wait_for(lambda: self.tunnel_state() == "waiting", "the wait")
        self.assertEqual(self.stop_broker(), 0)
        self.assertRefused("Cancelled", call.finish, text="stops")

    def test_bus_goes(self):
        self.approved()
        self.bus.close()
        self.bus_daemon.kill()
        daemon, self.daemon = self.daemon, None
        self.assertEqual(daemon.wait(PATIENCE), 1)
        self.assertIn("approval of uid %d ended: stopped" % os.getuid(), self.read_log())

    def test_name_is_taken(self):
        self.start_broker()
        daemon, self.daemon = self.daemon, None
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.terminate)
        second = self.start_broker(wait=False)
        self.daemon = None
        self.assertEqual(second.wait(PATIENCE), 1)

    def test_no_agent(self):
        self.start_broker(agent_uid="no-such-user-here", wait=False)
        daemon, self.daemon = self.daemon, None
        self.assertEqual(daemon.wait(PATIENCE), 1)
        self.assertIn("no user no-such-user-here", self.read_log())

    def test_arguments(self):
        for argv, status in ((["--help"], 0), (["--version"], 0), (["--nonsense"], 2), (["word"], 2),
                             (["--touch-timeout-ms", "soon"], 2)):
            r = subprocess.run([WGFIDOD, *argv], capture_output=True, text=True, check=False)
            self.assertEqual(r.returncode, status, argv)

    def test_lease(self):
        self.start_broker()
        before = boottime_us()
        self.assertTrue(before <= self.call(ROOT, MANAGER, "Lease") <= boottime_us())

    def test_no_secret_in_the_log(self):
        self.approved()
        psk = self.get_psk()[0]
        self.stop_broker()
        self.assertNotIn(psk.hex(), self.read_log())
        self.assertRegex(self.read_log(), r"wg0: approved by uid \d+ .* with .* \(touch\) for 8 h")


class Logind(Life):
    def setUp(self):
        super().setUp()
        self.config("wg0", extra="EndOn = suspend\n")
        self.config("wg1", extra="EndOn = none\n")
        self.config("wg2", extra="EndOn = logout,lock\n")

    def start_patient_broker(self):
        """For those who shall be waited for, however slow the machine is."""
        self.start_broker("--closing-timeout-ms", str(PATIENCE * 1000))

    def logind(self, can_hibernate="na"):
        self.mock = self.spawn([sys.executable, "-B", os.path.join(HERE, "mock_logind.py"), self.address, can_hibernate],
                               ready=True, stdin=subprocess.PIPE, text=True)
        self.addCleanup(self.mock.stdin.close)

    def tell(self, line):
        self.mock.stdin.write(line + "\n")
        self.mock.stdin.flush()

    def hear(self):
        return self.mock.stdout.readline().strip()

    def all_approved(self):
        self.token()
        for ifname in ("wg0", "wg1", "wg2"):
            self.enroll(ifname)
            self.approve(ifname)

    def states(self):
        return [self.tunnel_state(i) for i in ("wg0", "wg1", "wg2")]

    def test_suspend(self):
        self.logind()
        self.start_broker()
        self.assertEqual(self.hear(), "inhibited sleep delay")
        self.all_approved()
        self.tell("sleep")
        # By the time suspend may go on it is over.
        self.assertEqual(self.hear(), "released")
        self.assertEqual(self.states(), ["locked", "approved", "approved"])
        self.assertEqual(self.end_reason(), "suspend")
        self.tell("wake")
        self.assertEqual(self.hear(), "inhibited sleep delay")

    def test_suspend_waits_for_the_agent(self):
        self.logind()
        self.start_patient_broker()
        self.hear()
        self.all_approved()
        agent = self.spawn([sys.executable, "-B", "-c", AGENT, self.address], ready=True, stdin=subprocess.PIPE, text=True)
        self.addCleanup(agent.stdin.close)
        self.tell("sleep")
        self.wait_for(lambda: self.tunnel_state() == "locked", "the end of the approval")
        self.assertEqual(select.select([self.mock.stdout], [], [], 0.5)[0], [])
        agent.stdin.write("now\n")
        agent.stdin.flush()
        self.assertEqual(self.hear(), "released")
        self.assertNotIn("did not answer", self.read_log())

    def test_suspend_waits_for_every_tunnel(self):
        self.logind()
        self.start_patient_broker()
        self.hear()
        self.all_approved()
        slow = []
        for _ in range(3):
            slow.append(self.spawn([sys.executable, "-B", "-c", AGENT, self.address], ready=True, stdin=subprocess.PIPE, text=True))
            self.addCleanup(slow[-1].stdin.close)
        # One that has gone has closed; the others are waited for, whichever asked last.
        slow[1].kill()
        slow[1].wait()
        self.tell("sleep")
        self.wait_for(lambda: self.tunnel_state() == "locked", "the end of the approval")
        slow[2].stdin.write("now\n")
        slow[2].stdin.flush()
        self.assertEqual(select.select([self.mock.stdout], [], [], 0.5)[0], [])
        slow[0].stdin.write("now\n")
        slow[0].stdin.flush()
        self.assertEqual(self.hear(), "released")
        self.assertNotIn("did not answer", self.read_log())

    def test_suspend_does_not_wait_for_ever(self):
        self.logind()
        self.start_broker("--closing-timeout-ms", "200")
        self.hear()
        agent = self.spawn([sys.executable, "-B", "-c", AGENT, self.address], ready=True, stdin=subprocess.PIPE, text=True)
        self.addCleanup(agent.stdin.close)
        self.tell("sleep")
        self.assertEqual(self.hear(), "released")
        self.assertIn("did not answer", self.read_log())
        # Awake before it has answered: suspend is held back again all the same.
        self.tell("wake")
        self.assertEqual(self.hear(), "inhibited sleep delay")
        self.tell("sleep")
        self.tell("wake")
        self.assertEqual(sorted([self.hear(), self.hear()]), ["inhibited sleep delay", "released"])

    def test_hibernation_ends_all(self):
        self.logind("yes")
        self.start_broker()
        self.hear()
        self.all_approved()
        self.tell("sleep")
        self.assertEqual(self.hear(), "released")
        self.assertEqual(self.states(), ["locked"] * 3)

    def test_no_approval_while_going_to_sleep(self):
        self.logind()
        self.start_broker()
        self.hear()
        key = self.token()
        for ifname in ("wg0", "wg1"):
            self.enroll(ifname)
        key.touching = "manual"
        key.unplug().plug()
        call = self.begin_approve("wg1")
        self.wait_for(lambda: key.status() == "touch", "the touch")
        self.tell("sleep")
        self.assertEqual(self.hear(), "released")
        # Neither what was asked for before, nor what is now.
        key.touch()
        self.assertRefused("Denied", call.finish, text="the machine is going to sleep")
        for ifname in ("wg0", "wg1"):
            self.assertRefused("Denied", self.approve, ifname, text="the machine is going to sleep")
        self.assertEqual(key.status(), "idle")
        self.tell("wake")
        self.assertEqual(self.hear(), "inhibited sleep delay")
        key.touching = "auto"
        key.unplug().plug()
        self.approve("wg0")
        self.approve("wg1")

    def test_logind_goes_while_going_to_sleep(self):
        """It cannot say any more whether the machine hibernates, nor when it is awake again."""
        self.logind("")
        self.start_broker()
        self.hear()
        self.all_approved()
        self.tell("sleep")
        self.wait_for(lambda: self.states() == ["locked", "approved", "approved"], "the end of what ends on suspend")
        self.mock.kill()
        self.wait_for(lambda: self.states() == ["locked"] * 3, "the end of all")
        self.assertEqual([self.end_reason(i) for i in ("wg0", "wg1")], ["suspend"] * 2)
        self.wait_for(lambda: not self.bus.name_has_owner("org.freedesktop.login1"), "the end of logind")
        self.approve("wg0")

    def test_logind_comes_later(self):
        self.start_broker()
        self.wait_for(lambda: "logind: not there" in self.read_log(), "the line about logind")
        self.logind()
        self.assertEqual(self.hear(), "inhibited sleep delay")

    def test_no_logind_no_approval(self):
        """What cannot be ended as it should be does not begin; and it ends with the one who would have told."""
        self.start_broker()
        self.token()
        for ifname in ("wg0", "wg1", "wg2"):
            self.enroll(ifname)
        self.approve("wg0")
        self.approve("wg1")
        self.assertRefused("Denied", self.approve, "wg2", text="EndOn = lock and logout need logind, which is not there")
        self.assertEqual(self.states(), ["approved", "approved", "locked"])
        self.logind()
        self.wait_for(lambda: "suspend is held back" in self.read_log(), "logind to be seen")
        self.approve("wg2")
        self.mock.kill()
        self.wait_for(lambda: self.states() == ["approved", "approved", "locked"], "the end")
        self.assertEqual(self.end_reason("wg2"), "unwatched")
        self.assertRefused("Denied", self.approve, "wg2", text="need logind")

    def test_logind_goes_while_a_key_is_waited_for(self):
        self.logind()
        self.start_broker()
        self.hear()
        key = self.token()
        self.enroll("wg2")
        key.unplug()
        call = self.begin_approve("wg2", wait=True)
        self.wait_for(lambda: self.tunnel_state("wg2") == "waiting", "the broker to wait for a key")
        self.mock.kill()
        self.wait_for(lambda: not self.bus.name_has_owner("org.freedesktop.login1"), "the end of logind")
        key.plug(wait=False)
        self.assertRefused("Denied", call.finish, text="need logind")
        self.assertEqual(self.tunnel_state("wg2"), "locked")

    def test_session_of_others(self):
        self.logind()
        self.start_broker()
        self.hear()
        self.all_approved()
        for line in ("lock 99", "remove 99"):
            self.tell(line)
            self.hear()
        self.call(ROOT, MANAGER, "Lease")  # the broker has read all that came before
        self.assertEqual(self.states(), ["approved"] * 3)


if __name__ == "__main__":
    unittest.main()
