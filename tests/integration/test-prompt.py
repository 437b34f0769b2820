#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""wgfido-prompt with the real broker and a software token: what is shown when, and that a key blinks for a click only."""
import json
import os
import signal
import subprocess
import threading
import unittest

import dbus
import dbus.bus
import dbus.lowlevel

from broker_case import NAME, OTHER_UID, PATIENCE, TUNNEL
from prompt_case import NOTIFICATIONS, NOTIFICATIONS_PATH, PROMPT, PromptCase

PIN = "27182818"


class Notifications(PromptCase):
    def test_click_opens(self):
        token = self.enrolled()
        self.agent("absent")
        self.start_notifications()
        self.start_prompt()
        self.agent("closed")
        shown = self.wait_notify("office (wg0) is closed")
        self.assertEqual((shown["app"], shown["icon"]), ("wgfido", "wgfido"))
        self.assertEqual(shown["actions"], ["approve", "Approve"])
        self.assertEqual(shown["hints"], {"urgency": 1, "desktop-entry": "org.wgfido1.Prompt"})
        self.assertNotIn("wgfido approve", shown["body"])
        self.assertEqual((token.status(), self.tunnel_state()), ("idle", "locked"))
        self.click(shown)
        touch = self.wait_notify("Touch your key to open office (wg0) for 8 h")
        self.assertEqual(touch["actions"], ["cancel", "Cancel"])
        self.assertEqual((touch["expire"], touch["hints"]["urgency"], touch["hints"]["transient"]), (0, 2, True))
        self.assertIn("Software token blue", touch["body"])
        self.assertNotIn("Asked for by", touch["body"])
        self.wait_for(lambda: token.status() == "touch", "the blinking")
        token.touch()
        self.wait_close(touch)
        self.assertEqual(self.tunnel_state(), "approved")
        self.agent("open")
        # Pulled out: why it closed, and the same way back.
        token.unplug()
        ended = self.wait_notify("office (wg0) was closed")
        self.assertEqual(ended["body"], "The security key was pulled out.")
        self.click(ended)
        plug = self.wait_notify("Plug in your key to open office (wg0) for 8 h")
        token.plug(wait=False)
        touch = self.wait_notify("Touch your key to open office (wg0) for 8 h")
        self.assertEqual((touch["id"], touch["new"]), (plug["id"], False))
        token.touch()
        self.wait_close(touch)
        self.assertEqual(self.stop_prompt(), 0)

    def test_request_of_a_terminal(self):
        token = self.enrolled()
        self.start_notifications()
        self.start_prompt()
        call = self.begin_approve(**{"for": 3600})
        shown = self.wait_notify("Touch your key to open office (wg0) for 1 h")
        self.click(shown)
        self.assertRefused("Cancelled", call.finish)
        self.wait_for(lambda: token.status() == "idle", "the end of the blinking")
        # One that is there already when the prompt comes is shown too: it waits for a touch now.
        self.stop_prompt()
        call = self.begin_approve()
        self.wait_for(lambda: token.status() == "touch", "the blinking")
        self.start_prompt()
        shown = self.wait_notify("for 8 h")
        token.touch()
        call.finish()
        self.wait_close(shown)

    def test_request_of_another_user(self):
        token = self.enrolled()
        self.start_polkit()
        self.start_notifications()
        self.start_prompt()
        call = {}

        def ask():
            bus = dbus.bus.BusConnection(self.address)
            proxy = bus.get_object(NAME, self.tunnel(), introspect=False)
            return int(proxy.Approve(self.options(), dbus_interface=TUNNEL, timeout=PATIENCE))

        thread = threading.Thread(target=lambda: call.update(until=self.as_other(ask)), daemon=True)
        if os.getuid() != 0:
            self.skipTest("only root can be two users")
        thread.start()
        shown = self.wait_notify("Touch your key to open office (wg0) for 8 h")
        self.assertRegex(shown["body"], r"Asked for by uid %d\b" % OTHER_UID)
        self.assertEqual(shown["actions"], [])
        self.wait_for(lambda: token.status() == "touch", "the blinking")
        token.touch()
        self.wait_close(shown)
        thread.join(PATIENCE)
        self.assertIn("until", call)

    def test_start_is_silent(self):
        token = self.enrolled(touch="auto")
        self.agent("closed")
        self.approve()
        token.unplug()  # it ended, and that is no news to who comes later
        self.start_notifications()
        self.start_prompt()
        self.agent("closed", ifname="wg0")
        # Making a key is for the terminal that it was begun at, not for the desktop.
        token.plug()
        self.call(self.tunnel(), TUNNEL, "Rekey", self.options(recovery=False))
        self.approve()
        self.call(self.tunnel(), TUNNEL, "Revoke")
        shown = self.wait_notify("office (wg0) was closed")
        self.assertEqual(shown["body"], "It was revoked.")
        # Who revoked it is not offered the opposite, nor disturbed.
        self.assertEqual((shown["actions"], shown["hints"]["urgency"]), ([], 0))
        self.assertEqual([line["summary"] for line in self.lines()
                          if line["what"] == "notify" and "Touch" not in line["summary"]], [shown["summary"]])

    def test_goes_with_its_matter(self):
        self.enrolled()
        self.agent("absent")
        self.start_notifications()
        self.start_prompt()
        self.agent("closed")
        shown = self.wait_notify("is closed")
        self.agent("absent")
        self.wait_close(shown)
        # The agent's directory goes and comes back.
        self.agent("closed")
        shown = self.wait_notify("is closed", after=len(self.lines()) - 1)
        os.unlink(os.path.join(self.run_dir, "wg0.json"))
        os.rmdir(self.run_dir)
        self.wait_for(lambda: self.lines()[-1]["what"] == "close", "the end with the agent")
        before = len(self.lines())
        os.mkdir(self.run_dir)
        self.agent("closed")
        self.wait_notify("is closed", after=before)

    def test_dismissed_stays_away(self):
        self.enrolled()
        self.agent("absent")
        self.start_notifications()
        self.start_prompt()
        self.agent("closed")
        shown = self.wait_notify("is closed")
        self.dismiss(shown)
        self.agent("closed", changed_boottime_us=1)
        self.agent("closed", changed_boottime_us=2)
        call = self.begin_approve()
        self.wait_notify("Touch your key")
        self.assertEqual(len(self.lines()), 2)
        self.call(self.tunnel(), TUNNEL, "Cancel")
        self.assertRefused("Cancelled", call.finish)

    def test_without_buttons(self):
        self.enrolled(name="R&D <b>")
        self.agent("absent")
        self.start_notifications("body")
        self.start_prompt()
        self.agent("closed")
        shown = self.wait_notify("R&D <b> (wg0) is closed")
        self.assertEqual(shown["actions"], [])
        self.assertIn("\nOpen it with: wgfido approve wg0", shown["body"])

    def test_markup(self):
        self.config()
        self.start_broker()
        token = self.token(name="<b>&blue")
        self.enroll()
        token.touching = "manual"
        token.unplug().plug()
        self.start_notifications()
        self.start_prompt()
        call = self.begin_approve(wait=True)
        shown = self.wait_notify("Touch your key")
        self.assertIn("&lt;b&gt;&amp;blue", shown["body"])
        self.assertNotIn("<b>", shown["body"])
        self.click(shown)
        self.assertRefused("Cancelled", call.finish)

    def test_time_out(self):
        self.config()
        # As long as a busy machine may take to get as far as the touch.
        self.start_broker("--touch-timeout-ms", "3000")
        token = self.token()
        self.enroll()
        token.touching = "manual"
        token.unplug().plug()
        self.agent("absent")
        self.start_notifications()
        self.start_prompt()
        self.agent("closed")
        self.click(self.wait_notify("wg0 is closed"))
        shown = self.wait_notify("wg0 stays closed")
        self.assertIn("touched", shown["body"])
        self.assertEqual(shown["actions"], ["approve", "Try again"])
        before = len(self.lines())
        self.click(shown)
        self.wait_for(lambda: any("Touch your key" in line.get("summary", "") for line in self.lines()[before:]), "another try")

    def test_spoofed_click(self):
        """Only the notification daemon clicks, and only on what is shown."""
        token = self.enrolled()
        self.agent("absent")
        self.start_notifications()
        self.start_prompt()
        self.agent("closed")
        shown = self.wait_notify("is closed")
        for destination in (None, "org.wgfido1.Prompt"):
            signal = dbus.lowlevel.SignalMessage(NOTIFICATIONS_PATH, NOTIFICATIONS, "ActionInvoked")
            signal.append(dbus.UInt32(shown["id"]), "approve", signature="us")
            if destination:
                signal.set_destination(destination)
            self.session.send_message(signal)
        # Answered behind what came before it.
        self.session.get_object("org.wgfido1.Prompt", "/", introspect=False).Ping(dbus_interface="org.freedesktop.DBus.Peer")
        self.assertEqual((len(self.lines()), token.status()), (1, "idle"))
        self.click(shown, "cancel")  # a button that is not there
        self.session.get_object("org.wgfido1.Prompt", "/", introspect=False).Ping(dbus_interface="org.freedesktop.DBus.Peer")
        self.assertEqual((len(self.lines()), token.status(), self.tunnel_state()), (1, "idle", "locked"))


class Surroundings(PromptCase):
    def test_daemon_comes_late_and_goes(self):
        token = self.enrolled()
        self.agent("absent")
        self.start_prompt()
        self.agent("closed")
        self.wait_for(lambda: "no notification daemon" in self.read_prompt_log(), "word that there is no daemon")
        self.start_notifications()
        self.wait_notify("is closed")
        # Another one takes over: what is still so is shown again, with its own numbers.
        before = len(self.lines())
        self.stop_notifications()
        self.start_notifications("")
        shown = self.wait_notify("is closed", after=before)
        self.assertEqual((shown["id"], shown["actions"]), (1, []))
        self.assertEqual(token.status(), "idle")

    def test_broker_restarts(self):
        token = self.enrolled(touch="auto")
        self.approve()
        self.agent("open")
        self.start_notifications()
        self.start_prompt()
        self.stop_broker(9)
        shown = self.wait_notify("office (wg0) was closed")
        self.assertEqual((shown["body"], shown["actions"]), ("The wgfido broker was stopped.", []))
        self.agent("closed")
        self.start_broker()
        self.wait_for(token.is_known, "the token")
        before = len(self.read_prompt_log())
        self.approve()
        self.agent("open")
        self.saw("wg0: approved, open for the agent", before)
        token.unplug()
        self.wait_for(lambda: self.lines()[-1].get("body") == "The security key was pulled out.", "the reason")

    def test_broker_is_not_started(self):
        self.start_notifications()
        self.start_prompt()
        self.assertFalse(self.bus.name_has_owner(NAME))
        self.config()
        self.agent("absent")
        self.start_broker()
        self.token()
        self.enroll()
        self.saw("wg0: locked, absent")
        self.agent("closed")
        self.wait_notify("wg0 is closed")

    def test_broker_dies_under_a_touch(self):
        self.enrolled()
        self.agent("absent")
        self.start_notifications()
        self.start_prompt()
        self.agent("closed")
        self.click(self.wait_notify("is closed"))
        self.wait_notify("Touch your key")
        self.stop_broker(9)
        self.assertIn("went away", self.wait_notify("stays closed")["body"])

    def test_buses_go(self):
        self.start_broker()
        self.start_notifications()
        for daemon in ("session_daemon", "bus_daemon"):
            if daemon == "bus_daemon":
                # A new session beside the old system bus.
                os.unlink(os.path.join(self.dir, "session", "bus"))
                self.session_daemon = self.spawn(["dbus-daemon", "--nofork", "--nopidfile", "--print-address", "--config-file=" +
                                                  os.path.join(self.dir, "session", "bus.conf")], ready=True,
                                                 stderr=subprocess.DEVNULL)
                self.session = dbus.bus.BusConnection(self.session_address)
                self.daemon.kill()
                self.daemon.wait()
                self.daemon = None
            self.start_prompt()
            bus = getattr(self, daemon)
            bus.kill()
            bus.wait()
            self.assertEqual(self.prompt.wait(PATIENCE), 1, self.read_prompt_log())

    def test_no_bus_at_all(self):
        done = subprocess.run([PROMPT], env=dict(self.environment(), DBUS_SESSION_BUS_ADDRESS="unix:path=/nonexistent"),
                              capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("the session bus cannot be reached", done.stderr)

    def test_only_one(self):
        self.start_broker()
        self.start_prompt()
        done = subprocess.run([PROMPT], env=self.environment(), capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, "another wgfido-prompt" in done.stderr), (0, True), done.stderr)

    def test_options(self):
        weak = os.path.join(self.dir, "weak")
        with open(weak, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n")
        os.chmod(weak, 0o777)
        for argument, text in ((weak, "others could change it"), ("pinentry", "whole path"), ("/nonexistent", "No such file")):
            done = subprocess.run([PROMPT, "--pinentry", argument], env=self.environment(), capture_output=True, text=True,
                                  timeout=PATIENCE, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn(text, done.stderr)
        self.assertEqual(subprocess.run([PROMPT, "more"], capture_output=True, check=False).returncode, 2)


class Pin(PromptCase):
    def setUp(self):
        super().setUp()
        self.token_blue = self.enrolled(pin=PIN)
        self.agent("absent")
        self.start_notifications()

    def ask(self, *answers):
        self.will_answer(*answers)
        self.start_prompt()
        self.agent("closed")
        self.click(self.wait_notify("is closed"))

    def tearDown(self):
        with open(self.log, encoding="utf-8") as f:
            self.assertNotIn(PIN, f.read())
        self.assertNotIn(PIN, self.read_prompt_log())
        self.assertNotIn(PIN, json.dumps(self.lines()))

    def test_right(self):
        self.ask(PIN)
        touch = self.wait_notify("Touch your key to open office (wg0)")
        self.token_blue.touch()
        self.wait_close(touch)
        self.assertEqual(self.tunnel_state(), "approved")
        heard = self.heard()
        self.assertIn("SETTITLE wgfido", heard)
        self.assertIn("SETDESC Type the PIN of Software token blue to open office (wg0) for 8 h, then touch it.", heard)
        self.assertIn("SETPROMPT PIN:", heard)
        self.assertIn("SETTIMEOUT 120", heard)
        self.wait_for(lambda: not self.is_running(self.dialog_pid()), "the end of the dialog")

    def test_wrong(self):
        self.ask("00000000", PIN)
        shown = self.wait_notify("office (wg0) stays closed")
        self.assertRegex(shown["body"], r"wrong.*\d tries")
        self.assertEqual(shown["actions"], ["approve", "Try again"])
        # One dialog, one try: the next is the user's act.
        self.assertEqual(self.heard().count("GETPIN"), 1)
        self.click(shown)
        touch = self.wait_notify("Touch your key")
        self.token_blue.touch()
        self.wait_close(touch)
        self.assertEqual(self.heard().count("GETPIN"), 2)

    def wrong_pin(self):
        self.assertRefused("PinInvalid", self.call, self.tunnel(), TUNNEL, "Approve",
                           self.dictionary(pin=self.pin_pipe("00000000")))

    def test_few_tries(self):
        # Of eight; after three in a row it wants to be plugged in anew.
        for _ in range(2):
            self.wrong_pin()
        self.token_blue.unplug().plug()
        for _ in range(2):
            self.wrong_pin()
        self.token_blue.unplug().plug()
        self.ask("00000000", PIN, "CANCEL", PIN, "YES")
        shown = self.wait_notify("stays closed")
        self.assertIn("3 tries", shown["body"])
        self.assertNotIn("CONFIRM", self.heard())
        # The user says no: nothing is tried.
        self.click(shown)
        self.wait_for(lambda: "CONFIRM" in self.heard(), "the question")
        self.wait_for(lambda: not self.is_running(self.dialog_pid()), "the end of the dialog")
        self.assertTrue([line for line in self.heard() if line.startswith("SETDESC ") and "3 tries" in line])
        # Then yes: with the PIN that was typed already.
        before = len(self.lines())
        self.come_up()
        self.click(self.wait_notify("is closed", after=before))
        touch = self.wait_notify("Touch your key", after=before)
        self.token_blue.touch()
        self.wait_close(touch)
        self.assertEqual(self.heard().count("GETPIN"), 3)
        self.assertEqual(self.tunnel_state(), "approved")

    def broker_log_of(self, error):
        """The lines of the broker's log with this end."""
        return "".join(line for line in self.read_log().splitlines() if error in line)

    def test_kept_pin_is_not_used_later(self):
        """A PIN that waits for its confirmation goes with the matter, and not into the next click."""
        self.config(ifname="wg1", extra="Name = lab\n")
        self.call("/org/wgfido1", "org.wgfido1.Manager", "Reload")
        self.wait_for(lambda: self.tunnel_state("wg1") == "unenrolled", "wg1")
        token = self.token_blue
        token.unplug()
        token.touching = "auto"
        token.plug()
        self.call(self.tunnel("wg1"), TUNNEL, "Enroll", self.dictionary(recovery=False, pin=self.pin_pipe(PIN)))
        for wrong in (2, 2, 1):
            for _ in range(wrong):
                self.wrong_pin()
            token.unplug().plug()
        self.agent("absent", "wg1")
        self.will_answer_later("HANG")
        self.start_prompt()
        self.agent("closed", "wg1")
        lab = self.wait_notify("lab (wg1) is closed")
        self.agent("closed")
        office = self.wait_notify("office (wg0) is closed")
        self.click(lab)
        self.wait_for(lambda: self.heard().count("GETPIN") == 1, "the first dialog; there was %r" % self.heard())
        # wg0 wants its PIN before wg1's is typed: its dialog is the next.
        self.click(office)
        self.wait_for(lambda: "wg0: approve asked for by" in self.broker_log_of("PinRequired"), "the answer for wg0")
        self.answer_now("00000000")
        self.wait_for(lambda: self.heard().count("GETPIN") == 2, "the second dialog; there was %r" % self.heard())
        # wg1's answer says that few are left, while wg0's dialog is open. Then somebody opens it at a terminal.
        self.wait_for(lambda: "wg1: approve asked for by" in self.broker_log_of("PinFewTriesLeft"), "the answer for wg1")
        self.call(self.tunnel("wg1"), TUNNEL, "Approve", self.dictionary(pin=self.pin_pipe(PIN), confirm_pin=True))
        self.agent("open", "wg1")
        self.saw("wg1: approved, open for the agent")
        seen = len(self.read_prompt_log())
        pid = self.dialog_pid()
        self.assertTrue(self.is_running(pid))  # that of wg0
        before = len(self.lines())
        self.call(self.tunnel("wg1"), TUNNEL, "Revoke")
        self.wait_notify("lab (wg1) was closed", after=before)
        self.agent("absent", "wg1")
        self.saw("wg1: locked, absent for the agent", seen)
        before = len(self.lines())
        self.agent("closed", "wg1")
        lab = self.wait_notify("lab (wg1) is closed", after=before)
        os.kill(pid, signal.SIGKILL)
        self.wait_notify("office (wg0) stays closed", after=before)
        self.will_answer("CANCEL")
        self.click(lab)
        self.wait_for(lambda: self.heard().count("GETPIN") == 3, "a dialog of its own; there was %r" % self.lines()[before:])

    def test_blocked(self):
        for _ in range(2):
            self.wrong_pin()
        self.ask("00000000", PIN)
        shown = self.wait_notify("stays closed")
        self.assertIn("unplug the key and plug it in again", shown["body"])
        self.token_blue.unplug().plug()
        self.click(shown)
        self.wait_notify("Touch your key")

    def test_cancelled(self):
        self.ask("CANCEL")
        self.wait_for(lambda: "GETPIN" in self.heard(), "the dialog")
        self.wait_for(lambda: not self.is_running(self.dialog_pid()), "the end of the dialog")
        self.come_up()
        # No reproach, and the next time as ever.
        shown = self.wait_notify("is closed", after=2)
        self.assertNotIn("stays closed", json.dumps(self.lines()))
        self.will_answer("TIMEOUT")
        self.click(shown)
        self.assertIn("in time", self.wait_notify("stays closed")["body"])

    def test_odd_answers(self):
        self.will_answer()
        self.start_prompt()
        self.agent("closed")
        shown = self.wait_notify("is closed")
        for answer, text in (("RAW D 1234\\nD " + "5" * 70 + "\\nOK\\n", "at most 63"), ("RAW " + "x" * 1100, "broke off"),
                             ("RAW D 12%3\\nOK\\n", "broke off"), ("RAW INQUIRE QUALITY x\\n", "broke off"),
                             ("RAW OK\\nOK\\n", "broke off"), ("DIE", "broke off"), ("RAW \\xff\\x00\\n", "broke off"),
                             ("RAW " + "# x\\n" * 300, "broke off"), ("RAW ERR 67108949 odd\\n", "cannot be shown")):
            before = len(self.lines())
            self.will_answer(answer)
            self.click(shown)
            shown = self.wait_notify("stays closed", after=before)
            self.assertIn(text, shown["body"], answer[:40])
            if not shown["actions"]:
                self.come_up()
                shown = self.wait_notify("is closed", after=before)
        self.assertEqual((self.tunnel_state(), self.token_blue.status()), ("locked", "idle"))

    def test_pulled_under_the_dialog(self):
        self.ask("HANG")
        self.wait_for(lambda: "GETPIN" in self.heard(), "the dialog")
        pid = self.dialog_pid()
        self.assertTrue(self.is_running(pid))
        self.token_blue.unplug()
        shown = self.wait_notify("stays closed")
        self.assertEqual(shown["body"], "The security key was pulled out.")
        self.wait_for(lambda: not self.is_running(pid), "the end of the dialog")

    def test_opened_elsewhere_under_the_dialog(self):
        self.ask("HANG")
        self.wait_for(lambda: "GETPIN" in self.heard(), "the dialog")
        pid = self.dialog_pid()
        call = self.begin(self.tunnel(), TUNNEL, "Approve", self.dictionary(pin=self.pin_pipe(PIN)))
        self.wait_notify("Touch your key")
        self.token_blue.touch()
        call.finish()
        self.wait_for(lambda: not self.is_running(pid), "the end of the dialog")

    def test_ends_with_us(self):
        self.ask("HANG")
        self.wait_for(lambda: "GETPIN" in self.heard(), "the dialog")
        pid = self.dialog_pid()
        self.assertEqual(self.stop_prompt(), 0)
        self.wait_for(lambda: not self.is_running(pid), "the end of the dialog")

    def test_no_pinentry(self):
        self.will_answer()
        self.start_prompt()
        os.unlink(self.pinentry)
        self.agent("closed")
        self.click(self.wait_notify("is closed"))
        self.assertIn("run `wgfido approve` on a terminal", self.wait_notify("stays closed")["body"])


if __name__ == "__main__":
    unittest.main()
