#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""wgfido-prompt with the real broker and a software token: what is shown when, and that a key blinks for a click only."""
import unittest

from broker_case import TUNNEL
from prompt_case import PromptCase


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
        call = self.begin_approve()
        shown = self.wait_notify("for 8 h")
        token.touch()
        call.finish()
        self.wait_close(shown)
        self.call(self.tunnel(), TUNNEL, "Revoke")


if __name__ == "__main__":
    unittest.main()
