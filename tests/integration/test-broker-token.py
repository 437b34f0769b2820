#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The broker and trouble with tokens: missing, wrong, untouched, pulled out, broken, with a PIN; and several callers."""
import unittest

from broker_case import MANAGER, PEER, ROOT, TOKEN, TUNNEL, BrokerCase, boottime_us, pipe_with


class Trouble(BrokerCase):
    def setUp(self):
        super().setUp()
        self.config()

    def enrolled(self, *args, name="blue", touch="manual", **options):
        """A broker and a token that is enrolled for wg0 and waits for touches."""
        self.start_broker(*args)
        token = self.token(name)
        self.enroll(**options)
        token.touching = touch
        if touch != "auto":
            token.unplug().plug()
        return token

    def wait_state(self, state, ifname="wg0"):
        self.wait_for(lambda: self.tunnel_state(ifname) == state, state)

    def prompt(self, name=""):
        return self.get(self.tunnel(), TUNNEL, "Prompt" + name)

    def test_no_token(self):
        token = self.enrolled()
        token.unplug()
        self.assertRefused("TokenMissing", self.approve)
        self.assertEqual(self.tunnel_state(), "locked")

    def test_wrong_token(self):
        blue = self.enrolled()
        blue.unplug()
        self.token("red")
        self.assertRefused("WrongToken", self.approve)

    def test_named_token(self):
        blue = self.enrolled(touch="auto")
        self.token("red")
        self.assertRefused("WrongToken", self.approve, token="soft-red")
        self.assertRefused("TokenMissing", self.approve, token="soft-green")
        self.assertGreater(self.approve(token="soft-blue"), boottime_us())
        self.assertTrue(blue.path())

    def test_touch(self):
        token = self.enrolled()
        call = self.begin_approve(**{"for": 90})
        self.wait_state("touch-needed")
        self.assertEqual(self.prompt(), "touch")
        self.assertEqual(self.prompt("Token"), token.properties()["Name"])
        self.assertGreater(self.prompt("Deadline"), boottime_us())
        self.assertIn("uid ", self.prompt("Requester"))
        self.assertEqual((self.prompt("Step"), self.prompt("Steps")), (1, 1))
        self.assertEqual(self.get(self.peer(), PEER, "State"), "touch-needed")
        self.assertTrue(self.get(token.path(), TOKEN, "Busy"))
        token.touch()
        self.assertLess(call.finish(), boottime_us() + 91 * 1000000)
        self.wait_for(lambda: self.prompt() == "", "the prompt to end")
        self.assertEqual(self.tunnel_state(), "approved")

    def test_touch_timeout(self):
        # As long as a busy machine may take to get as far as the touch.
        self.enrolled("--touch-timeout-ms", "3000")
        self.assertRefused("TouchTimeout", self.approve)
        self.assertEqual(self.tunnel_state(), "locked")
        # And the token still serves.
        call = self.begin_approve()
        self.wait_state("touch-needed")
        self.plugged[0].touch()
        call.finish()

    def test_wait_for_token(self):
        token = self.enrolled(touch="auto").unplug()
        call = self.begin_approve(wait=True)
        self.wait_for(lambda: self.prompt() == "token-with-key", "the wait")
        self.assertEqual(self.tunnel_state(), "waiting")
        self.token("red")  # one that does not fit changes nothing
        self.assertEqual(self.prompt(), "token-with-key")
        token.plug(wait=False)
        call.finish()
        self.assertEqual(self.tunnel_state(), "approved")

    def test_wait_ends(self):
        self.enrolled("--wait-timeout-ms", "200").unplug()
        self.assertRefused("TokenMissing", self.approve, wait=True)

    def test_pulled_while_touch_is_awaited(self):
        token = self.enrolled()
        call = self.begin_approve()
        self.wait_state("touch-needed")
        token.unplug()
        self.assertRefused("TokenFailed", call.finish)
        self.assertEqual(self.tunnel_state(), "locked")

    def test_pulled_and_plugged_again_with_wait(self):
        token = self.enrolled()
        call = self.begin_approve(wait=True)
        self.wait_state("touch-needed")
        token.unplug()
        self.wait_state("waiting")
        token.plug(wait=False)
        self.wait_state("touch-needed")
        token.touch()
        call.finish()

    def test_one_of_two_touched(self):
        blue = self.enrolled(touch="auto")
        blue.unplug()
        red = self.token("red")
        call = self.begin(self.tunnel(), TUNNEL, "AddKeyslot", self.options(label="backup"))
        self.wait_for(lambda: self.prompt() == "token-with-key", "the wait for the old token")
        blue.plug(wait=False)
        self.assertEqual(call.finish()["slot"], 2)
        for t in (blue, red):
            t.touching = "manual"
            t.unplug().plug()
        call = self.begin_approve()
        self.wait_for(lambda: blue.status() == red.status() == "touch", "both to blink")
        red.touch()
        call.finish()
        self.wait_for(lambda: blue.status() == "idle", "the other to be left alone")
        # The approval hangs on the one that was touched.
        blue.unplug()
        self.assertEqual(self.tunnel_state(), "approved")
        red.unplug()
        self.assertEqual(self.tunnel_state(), "locked")

    def test_pulled_while_another_takes_part(self):
        blue = self.enrolled(touch="auto")
        red = self.token("red")
        self.call(self.tunnel(), TUNNEL, "AddKeyslot", self.options(token="soft-red"))
        for t in (blue, red):
            t.touching = "manual"
            t.unplug().plug()
        call = self.begin_approve()
        self.wait_for(lambda: blue.status() == red.status() == "touch", "both to blink")
        blue.unplug()
        red.touch()
        call.finish()

    def test_equal_requests_share_a_touch(self):
        token = self.enrolled()
        calls = [self.begin_approve() for _ in range(3)]
        self.wait_state("touch-needed")
        token.touch()
        self.assertEqual(len({int(c.finish()) for c in calls}), 1)

    def test_unequal_requests_are_queued(self):
        token = self.enrolled()
        first = self.begin_approve(**{"for": 100})
        self.wait_state("touch-needed")
        second = self.begin_approve(**{"for": 200})
        token.touch()
        self.assertLess(first.finish(), boottime_us() + 101 * 1000000)
        self.wait_for(lambda: token.status() == "touch", "the second one's turn")
        self.assertEqual(self.prompt(), "touch")
        token.touch()
        self.assertGreater(second.finish(), boottime_us() + 150 * 1000000)

    def test_caller_dies(self):
        token = self.enrolled()
        caller = self.begin_mortal(self.tunnel(), TUNNEL)
        self.wait_for(lambda: token.status() == "touch", "the touch")
        caller.kill()
        self.wait_for(lambda: token.status() == "idle", "the cancel at the token")
        self.wait_state("locked")
        self.wait_for(lambda: "the caller went away" in self.read_log(), "word of it")

    def test_caller_dies_while_waiting(self):
        self.enrolled().unplug()
        caller = self.begin_mortal(self.tunnel(), TUNNEL, "wait")
        self.wait_state("waiting")
        caller.kill()
        self.wait_state("locked")

    def test_one_of_two_callers_dies(self):
        token = self.enrolled()
        caller = self.begin_mortal(self.tunnel(), TUNNEL)
        self.wait_for(lambda: token.status() == "touch", "the touch")
        second = self.begin_approve()
        caller.kill()
        self.wait_for(lambda: "the caller went away" in self.read_log(), "the broker to notice")
        token.touch()
        second.finish()

    def test_cancel(self):
        token = self.enrolled()
        call = self.begin_approve()
        self.wait_for(lambda: token.status() == "touch", "the touch")
        self.call(self.tunnel(), TUNNEL, "Cancel")
        self.assertRefused("Cancelled", call.finish)
        self.wait_for(lambda: token.status() == "idle", "the cancel at the token")
        call = self.begin_approve()
        self.wait_for(lambda: token.status() == "touch", "the touch")
        self.call(self.peer(), PEER, "Cancel")
        self.assertRefused("Cancelled", call.finish)

    def test_limit(self):
        self.enrolled().unplug()
        calls = [self.begin_approve(wait=True, **{"for": n + 1}) for n in range(9)]
        self.wait_for(lambda: any(c.error for c in calls), "the refusal")
        (refused,) = [c for c in calls if c.error]
        self.assertRefused("LimitExceeded", refused.finish)
        calls.remove(refused)
        self.call(self.tunnel(), TUNNEL, "Cancel")
        for c in calls:
            self.assertRefused("Cancelled", c.finish)

    def test_token_that_answers_nonsense(self):
        token = self.enrolled("--touch-timeout-ms", "2000", touch="auto").unplug()
        for mode in ("garbage", "toolong", "slow=20000", "silent", "keepalive-forever"):
            # honest for as long as it is asked what it is
            token.plug(args=["--misbehave", mode, "--misbehave-after", "2"])
            self.assertRefused("TokenFailed", self.begin_approve().finish)
            token.unplug()
        token.plug()
        self.approve()

    def test_token_without_hmac_secret(self):
        self.start_broker()
        token = self.token("old", plug=False).plug(args=["--no-hmac-secret"])
        self.assertNotIn("hmac-secret", token.properties()["Capabilities"])
        self.assertRefused("Unsupported", self.enroll)
        self.assertEqual(self.tunnel_state(), "unenrolled")


class Pin(BrokerCase):
    def setUp(self):
        super().setUp()
        self.config()
        self.start_broker()
        self.blue = self.token("blue", pin="123456")

    def pin(self, text="123456", **options):
        return dict(options, pin=pipe_with(text.encode()))

    def test_pin(self):
        self.assertEqual(self.blue.properties()["PinState"], "set")
        self.assertRefused("PinRequired", self.enroll)
        self.enroll(**self.pin())
        self.assertEqual(self.get(self.tunnel(), TUNNEL, "KeySlots")[0][3], "pin")
        self.assertRefused("PinRequired", self.approve)
        self.assertRefused("PinInvalid", self.approve, text="7 tries left", **self.pin("654321"))
        self.assertGreater(self.approve(**self.pin()), boottime_us())
        # The right one gives all tries back.
        self.assertRefused("PinInvalid", self.approve, text="7 tries left", **self.pin("654321"))

    def test_presence_although_it_has_a_pin(self):
        self.enroll(uv="presence")
        self.approve()
        self.assertEqual(self.get(self.tunnel(), TUNNEL, "KeySlots")[0][3], "presence")

    def test_pin_on_a_token_without(self):
        self.blue.unplug()
        self.token("red")
        self.assertRefused("Unsupported", self.enroll, uv="pin", **self.pin())

    def test_few_tries_and_blocked(self):
        self.enroll(**self.pin())

        def wrong(outcome, text=None, **more):
            self.assertRefused(outcome, self.approve, text=text, **self.pin("000000", **more))

        # A token takes three in a row, then wants to be plugged in anew.
        wrong("PinInvalid", text="7 tries left")
        wrong("PinInvalid", text="6 tries left")
        wrong("PinBlocked", text="plug it in again")
        self.assertRefused("PinBlocked", self.approve, **self.pin())
        self.assertEqual(self.blue.properties()["PinState"], "set")
        self.blue.unplug().plug()
        wrong("PinInvalid", text="4 tries left")
        wrong("PinInvalid", text="3 tries left")
        # Not even the right one, unless the user says so.
        self.assertRefused("PinFewTriesLeft", self.approve, text="3 tries left", **self.pin())
        wrong("PinFewTriesLeft", text="3 tries left")
        wrong("PinBlocked", confirm_pin=True)
        self.blue.unplug().plug()
        wrong("PinFewTriesLeft", text="2 tries left")
        wrong("PinInvalid", text="1 try left", confirm_pin=True)
        self.assertRefused("PinFewTriesLeft", self.approve, text="1 try left", **self.pin())
        wrong("PinBlocked", confirm_pin=True)
        self.assertRefused("PinBlocked", self.approve, **self.pin(confirm_pin=True))
        self.wait_for(lambda: self.blue.properties()["PinState"] == "blocked", "PinState blocked")

    def test_pin_for_one_token_only(self):
        self.enroll(**self.pin())
        red = self.token("red", pin="999999")
        self.assertRefused("InvalidArgument", self.approve, text="several", **self.pin())
        self.approve(token="soft-blue", **self.pin())
        self.assertRefused("WrongToken", self.approve, token="soft-red", **self.pin("999999"))
        self.assertTrue(red.path())

    def blinking(self, **options):
        self.enroll(**self.pin())
        self.blue.touching = "manual"
        self.blue.unplug().plug()
        call = self.begin_approve(**self.pin(**options))
        self.wait_for(lambda: self.tunnel_state() == "touch-needed", "blue to blink")
        return call

    def assertUntried(self, *others):
        """None of these keys, which are not enrolled, has been given a PIN."""
        if self.blue.process:
            self.blue.unplug()
        for t in others:
            t.unplug()
        for t in others:
            t.plug()
            self.assertRefused("PinInvalid", self.approve, text="7 tries left", **self.pin("000000"))
            t.unplug()

    def test_key_plugged_in_while_another_blinks(self):
        call = self.blinking()
        red = self.token("red", pin="999999")
        self.assertEqual(red.status(), "idle")
        self.blue.touch()
        call.finish()
        self.assertEqual(self.tunnel_state(), "approved")
        self.assertUntried(red)

    def test_key_plugged_in_for_one_that_blinked(self):
        call = self.blinking(wait=True)
        self.blue.unplug()
        self.wait_for(lambda: self.tunnel_state() == "waiting", "the wait")
        red = self.token("red", pin="999999", plug=False).plug(wait=False)
        self.assertRefused("PinRequired", call.finish, text="for another key than ")
        self.assertUntried(red)

    def test_key_plugged_in_after_the_pin(self):
        self.enroll(**self.pin())
        self.blue.unplug()
        red = self.token("red", pin="999999", plug=False)
        # Which of them it was given for nobody can tell, and a name is that of a port.
        for t, more in ((red, {}), (red, {"token": "soft-red"}), (self.blue, {})):
            call = self.begin_approve(**self.pin(wait=True, **more))
            self.wait_for(lambda: self.tunnel_state() == "waiting", "the wait")
            t.plug(wait=False)
            self.assertRefused("PinRequired", call.finish, text="given before .* was plugged in")
            t.unplug()
        red.plug()
        self.assertUntried(red)

    def test_key_plugged_in_for_enrolling(self):
        self.blue.unplug()
        call = self.begin(self.tunnel(), TUNNEL, "Enroll", self.options(**self.pin(wait=True)))
        self.wait_for(lambda: self.get(self.tunnel(), TUNNEL, "Prompt") == "token", "the wait")
        self.blue.plug(wait=False)
        self.assertRefused("PinRequired", call.finish, text="given before .* was plugged in")
        self.assertEqual(self.tunnel_state(), "unenrolled")
        self.wait_for(self.blue.is_known, "blue")
        self.enroll(**self.pin())

    def test_pin_of_the_first_tunnels_key(self):
        """A global approval goes on with a key that has another PIN."""
        for ifname in ("wg0", "wg1"):
            self.config(ifname, extra="ApprovalScope = global\n")
        self.call(ROOT, MANAGER, "Reload")
        self.enroll(**self.pin())
        self.blue.unplug()
        red = self.token("red", pin="999999")
        self.enroll("wg1", **self.pin("999999"))
        red.unplug()
        self.blue.plug()
        call = self.begin_approve(**self.pin(wait=True))
        self.wait_for(lambda: self.tunnel_state("wg1") == "waiting", "the wait for red")
        red.plug(wait=False)
        self.assertRefused("PinRequired", call.finish, text="for another key than ")
        self.assertEqual([self.tunnel_state(i) for i in ("wg0", "wg1")], ["approved", "locked"])
        self.blue.unplug()
        self.assertRefused("PinInvalid", self.approve, "wg1", text="7 tries left", **self.pin("000000"))

    def test_old_pin_for_one_token_only(self):
        """With one port the old key comes after its PIN: the first one that fits has it."""
        self.enroll(**self.pin())
        self.blue.unplug()
        self.blue.touching = "manual"
        green = self.token("green", pin="222222")
        call = self.begin(self.tunnel(), TUNNEL, "AddKeyslot",
                          self.options(old_pin=pipe_with(b"123456"), **self.pin("222222")))
        self.wait_for(lambda: self.get(self.tunnel(), TUNNEL, "Prompt") == "token-with-key", "the wait")
        green.unplug()
        self.blue.plug(wait=False)
        self.wait_for(lambda: self.tunnel_state() == "touch-needed", "blue to blink")
        self.blue.unplug()
        self.wait_for(lambda: self.tunnel_state() == "waiting", "the wait")
        red = self.token("red", pin="999999", plug=False).plug(wait=False)
        self.assertRefused("PinRequired", call.finish, text="for another key than ")
        self.assertUntried(red)

    def test_malformed(self):
        self.enroll(**self.pin())
        for text in ("123", "1" * 64):
            self.assertRefused("InvalidArgument", self.approve, **self.pin(text))


if __name__ == "__main__":
    unittest.main()
