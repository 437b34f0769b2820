#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may do what: polkit (a mock, and the real one), the agent's members, limits, malformed options."""
import os
import unittest

import dbus
import dbus.lowlevel

from broker_case import (MANAGER, NAME, OTHER_UID, PATIENCE, PEER, ROOT, TUNNEL, BrokerCase, boottime_us, pipe_with)


class Somebody(BrokerCase):
    """All callers here are not root: for a test that runs as root, a process of another uid."""

    def setUp(self):
        super().setUp()
        self.config(extra="Name = Office\n")

    def someone(self, method, *args, path=None, interface=TUNNEL, interactive=False):
        """A call by somebody who is not root; what is not JSON is left out of its answer."""

        def call():
            bus = dbus.bus.BusConnection(self.address)
            m = dbus.lowlevel.MethodCallMessage(NAME, path or self.tunnel(), interface, method)
            if interactive:
                m.set_allow_interactive_authorization(True)
            m.append(*args, signature={"Approve": "a{sv}", "Enroll": "a{sv}"}.get(method, ""))
            reply = bus.send_message_with_reply_and_block(m, PATIENCE)
            bus.close()
            return [int(a) for a in reply.get_args_list() if isinstance(a, int)]

        return self.as_other(call) if os.getuid() == 0 else call()

    def ready(self, **kwargs):
        if kwargs.pop("with_polkit", True):
            self.start_polkit()
        self.start_broker(polkit=False, **kwargs)


class Polkit(Somebody):
    def enrolled(self):
        self.ready()
        self.token()
        self.enroll()
        self.asked = len(self.polkit_asked())

    def news(self):
        return self.polkit_asked()[self.asked:]

    def test_yes_and_details(self):
        self.enrolled()
        until = self.someone("Approve", self.options(**{"for": 5400}), interactive=True)[0]
        self.assertLess(until, boottime_us() + 5401 * 1000000)
        (asked,) = self.news()
        self.assertEqual((asked["action"], asked["kind"], asked["flags"]),
                         ("org.wgfido1.approve", "system-bus-name", 1))
        self.assertEqual(asked["details"]["tunnel"], "wg0 (Office)")
        self.assertEqual(asked["details"]["duration"], "1 h 30 min")
        self.assertIn("$(tunnel)", asked["details"]["polkit.message"])
        self.assertIn("approved by uid ", self.read_log())
        self.someone("Revoke")
        self.assertEqual(self.news()[-1]["action"], "org.wgfido1.revoke")
        self.assertEqual(self.tunnel_state(), "locked")

    def test_peer_in_details(self):
        self.config(extra="ApprovalScope = peer\n", peers="AB", peer_extra="")
        self.enrolled()
        self.someone("Approve", self.options(), path=self.peer("B"), interface=PEER)
        self.assertIn("/", self.news()[0]["details"]["tunnel"])
        self.assertEqual(len(self.news()[0]["details"]["peer"]), 44)

    def test_no(self):
        self.enrolled()
        self.approve()
        for answer in ("no", "challenge"):
            self.polkit_says({"*": answer})
            for method, args in (("Approve", [self.options()]), ("Revoke", []), ("Enroll", [self.options()]),
                                 ("ForgetKey", [])):
                self.assertRefused("Denied", self.someone, method, *args)
            self.assertRefused("Denied", self.someone, "LockAll", path=ROOT, interface=MANAGER)
        self.assertEqual(self.tunnel_state(), "approved")
        self.assertIn("Revoke refused to uid ", self.read_log())

    def test_each_action(self):
        self.enrolled()
        self.polkit_says({"org.wgfido1.approve": "yes", "org.wgfido1.revoke": "yes", "*": "no"})
        self.someone("Approve", self.options())
        self.someone("Revoke")
        self.assertRefused("Denied", self.someone, "Enroll", self.options())
        self.assertEqual([q["action"] for q in self.news()],
                         ["org.wgfido1.approve", "org.wgfido1.revoke", "org.wgfido1.enroll"])

    def test_absent(self):
        self.ready(with_polkit=False)
        self.assertRefused("Denied", self.someone, "Approve", self.options(), text="polkit does not run")
        self.assertRefused("Denied", self.someone, "Revoke")

    def test_nothing_changes_before_the_answer(self):
        self.enrolled()
        self.polkit_says({"*": "never"})
        call = self.begin_mortal_other()
        self.wait_for(self.news, "the question")
        self.assertEqual(self.tunnel_state(), "locked")
        self.assertEqual(self.get(self.tunnel(), TUNNEL, "Prompt"), "")
        call.kill()
        # Polkit's dialogue is not left behind.
        self.wait_for(lambda: self.news()[-1].get("cancelled") == self.news()[0]["id"], "the end of the question")

    def begin_mortal_other(self):
        if os.getuid() != 0:
            return self.begin_mortal(self.tunnel(), TUNNEL)
        self.mortal_uid = OTHER_UID
        return self.begin_mortal(self.tunnel(), TUNNEL)

    def spawn(self, argv, ready=False, **kwargs):
        if getattr(self, "mortal_uid", None):
            kwargs.update(user=self.mortal_uid, group=self.mortal_uid, extra_groups=[])
        return super().spawn(argv, ready, **kwargs)

    def test_caller_that_waits_counts(self):
        self.enrolled()
        self.polkit_says({"*": "never"})
        for n in range(8):
            self.begin_mortal_other()
            self.wait_for(lambda: len(self.news()) == n + 1, "question %d" % n)
        self.assertRefused("LimitExceeded", self.someone, "Approve", self.options())
        self.assertRefused("LimitExceeded", self.someone, "Revoke")


class RealPolkit(Somebody):
    """The real polkitd with the project's actions. Its callers have no session."""

    RULES = """polkit.addRule(function(action, subject) {
        if (action.id == "org.wgfido1.approve" && action.lookup("tunnel") == "wg1" &&
            action.lookup("duration") == "8 h")
            return polkit.Result.YES;
    });"""

    def test_all(self):
        self.start_real_polkit(self.RULES)
        self.config("wg0")
        self.config("wg1")
        self.ready(with_polkit=False)
        self.token()
        for ifname in ("wg0", "wg1"):
            self.enroll(ifname)
        # auth_self and auth_admin, and nobody to ask
        self.assertRefused("Denied", self.someone, "Approve", self.options(), text="wants authentication")
        self.assertRefused("Denied", self.someone, "Enroll", self.options())
        # A rule of the administrator's sees the details.
        self.assertRefused("Denied", self.someone, "Approve", self.options(**{"for": 60}), path=self.tunnel("wg1"))
        self.someone("Approve", self.options(), path=self.tunnel("wg1"))
        self.assertEqual(self.tunnel_state("wg1"), "approved")
        # revoke: yes, for anyone
        self.someone("Revoke", path=self.tunnel("wg1"))
        self.assertEqual(self.tunnel_state("wg1"), "locked")


class Agent(BrokerCase):
    """Only the agent's uid gets keys. The agent is somebody else here."""

    AGENT_UID = OTHER_UID
    MEMBERS = (("Lease", ROOT, MANAGER, ()), ("GetPsk", None, PEER, ({},)), ("GetPrivateKey", None, TUNNEL, ()),
               ("GetPsk", None, PEER, ({"slot": 1},)))

    def call_member(self, method, path, interface, args):
        path = path or (self.peer() if interface == PEER else self.tunnel())
        args = [self.options(**a) for a in args]
        bus = dbus.bus.BusConnection(self.address)
        try:
            return bus.get_object(NAME, path, introspect=False).get_dbus_method(method, interface)(*args)
        finally:
            bus.close()

    def setUp(self):
        super().setUp()
        self.config()
        self.start_broker()
        self.token()
        self.enroll()
        self.approve()

    def test_the_bus_refuses(self):
        for member in self.MEMBERS:
            with self.subTest(member[0]):
                self.assertRefused("org.freedesktop.DBus.Error.AccessDenied", self.call_member, *member)

    def test_the_agent_itself(self):
        if os.getuid() != 0:
            self.skipTest("only root can be two users")
        self.assertGreater(self.as_other(lambda: int(self.call_member(*self.MEMBERS[0]))), 0)
        self.assertEqual(self.as_other(lambda: int(self.call_member(*self.MEMBERS[1])[2]) % 120), 0)
        self.assertRefused("NotApproved", self.as_other, lambda: self.call_member(*self.MEMBERS[2]))


class BrokerRefuses(Agent):
    """The same with a bus that would let all through: the broker checks by itself."""

    def policy(self):
        return '<policy context="default"><allow own="*"/><allow send_destination="*"/></policy>'

    def test_the_bus_refuses(self):
        for member in self.MEMBERS:
            with self.subTest(member[0]):
                self.assertRefused("Denied", self.call_member, *member)
        self.assertIn("it is for the agent only", self.read_log())

    def test_reload_is_for_root(self):
        if os.getuid() != 0:
            self.skipTest("only root can be two users")
        self.assertRefused("org.freedesktop.DBus.Error.AccessDenied", self.as_other,
                           lambda: self.call_member("Reload", ROOT, MANAGER, ()))
        self.call_member("Reload", ROOT, MANAGER, ())


class Options(BrokerCase):
    def test_malformed(self):
        self.config()
        self.start_broker()
        self.token()
        r, w = os.pipe()
        try:
            for what, options in (
                ("unknown", {"colour": "red"}), ("other method's", {"label": "x"}), ("type", {"wait": "yes"}),
                ("type of for", {"for": True}), ("no time", {"for": 0}), ("no pipe", {"pin": "123456"}),
                ("not filled", {"pin": dbus.types.UnixFd(r)}), ("too long", {"token": "x" * 64}),
                ("control", {"token": "a\nb"}),
            ):
                with self.subTest(what):
                    self.assertRefused("InvalidArgument", self.approve, **options)
        finally:
            os.close(r)
            os.close(w)
        for what, options in (("uv", {"uv": "face"}), ("label", {"label": "x" * 64}), ("c1", {"label": "a\x85b"}),
                              ("recovery", {"recovery": pipe_with(b"x")})):
            with self.subTest(what):
                self.assertRefused("InvalidArgument", self.enroll, **options)
        self.assertRefused("org.freedesktop.DBus.Error.InvalidArgs", self.call, self.tunnel(), TUNNEL, "Approve", 5)
        self.assertRefused("org.freedesktop.DBus.Error.UnknownObject", self.approve, "wg9")
        self.assertRefused("org.freedesktop.DBus.Error.UnknownObject", self.call, self.peer("Z"), PEER, "Revoke")


if __name__ == "__main__":
    unittest.main()
