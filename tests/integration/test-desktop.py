#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""wgfido-prompt on a real screen (Xvfb): the distribution's notification daemon shows it, and a mouse and a keyboard open the
tunnel. WGFIDO_SCREENSHOTS=DIR keeps what was seen."""
import os
import sys
import unittest

from desktop_case import HEIGHT, PINENTRY, WIDTH, DesktopCase, Picture, is_dark

PIN = "27182818"
shots = {}


def keep(picture, name):
    where = os.environ.get("WGFIDO_SCREENSHOTS")
    if where:
        picture.save(os.path.join(where, name + ".png"))
        shots[name] = picture


class Desktop(DesktopCase):
    def shown(self, what, name, where=lambda box: True):
        box = self.wait_window(what, where)
        left, top, right, bottom = box
        # A window with text in it, whole on the screen. Two lines; higher where the machine can draw the icon.
        self.assertTrue(right - left > 200 and bottom - top > 40, box)
        self.assertTrue(left > 0 and top > 0 and right < WIDTH and bottom < HEIGHT, box)
        picture = self.look()
        self.assertTrue(picture.box(is_dark, left + 60, top + 10, right - 40, bottom - 10), "no text")
        keep(picture.crop(left - 6, top - 6, right + 6, bottom + 6), name)
        return box

    def press(self, box):
        """The button is what is lowest in a notification."""
        left, top, right, bottom = box
        picture = self.look()
        rows = [y for y in range(top + 20, bottom - 12) if picture.box(is_dark, left + 80, y, right - 12, y + 1)]
        # Up to the first gap
        first = next(y for y in reversed(rows) if y - 1 not in rows and y - 2 not in rows and y - 3 not in rows)
        x0, y0, x1, y1 = picture.box(is_dark, left + 80, first, right - 12, rows[-1] + 1)
        self.click_at((x0 + x1) // 2, (y0 + y1) // 2)

    def test_buttons(self):
        token = self.enrolled()
        self.agent("absent")
        self.start_notifications()
        self.start_prompt()
        self.agent("closed")
        box = self.shown("the notification", "closed")
        self.assertEqual((token.status(), self.tunnel_state()), ("idle", "locked"))
        self.press(box)
        self.wait_for(lambda: token.status() == "touch", "the blinking")
        self.press(self.shown("the wish for a touch", "touch"))
        self.wait_for(lambda: token.status() == "idle", "the end of the blinking")
        self.wait_blank()
        self.assertEqual(self.tunnel_state(), "locked")

    def test_whole_way(self):
        token = self.enrolled()
        self.agent("absent")
        self.start_dunst()
        self.start_prompt()
        self.agent("closed")
        left, top, right, bottom = self.shown("the notification", "dunst-closed")
        self.assertEqual((token.status(), self.tunnel_state()), ("idle", "locked"))
        self.click_at((left + right) // 2, (top + bottom) // 2)
        self.wait_for(lambda: token.status() == "touch", "the blinking")
        self.shown("the wish for a touch", "dunst-touch")
        token.touch()
        self.wait_blank()
        self.assertEqual(self.tunnel_state(), "approved")
        self.agent("open")
        token.unplug()
        self.shown("the reason", "dunst-ended")

    def test_pin(self):
        if not os.access(PINENTRY, os.X_OK):
            self.skipTest("%s is not installed" % PINENTRY)
        token = self.enrolled(pin=PIN)
        self.agent("absent")
        self.start_notifications()
        self.start_prompt("--pinentry", PINENTRY)
        self.agent("closed")
        self.press(self.shown("the notification", "ask"))
        self.shown("the dialog", "pin", lambda box: box[0] < WIDTH // 3)
        self.xdotool("type", "--delay", "20", "--file", "-", input=PIN.encode())
        self.xdotool("key", "Return")
        self.wait_for(lambda: token.status() == "touch", "the blinking")
        self.shown("the wish for a touch", "pin-touch")
        token.touch()
        self.wait_for(lambda: self.tunnel_state() == "approved", "the approval")
        self.assertNotIn(PIN, self.read_log() + self.read_prompt_log())


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    if {"closed", "touch", "pin"} <= set(shots):
        # As docs/desktop.png has them, one above the other.
        chosen = [shots[name] for name in ("closed", "touch", "pin")]
        width = max(p.width for p in chosen)
        rows = [row + b"\xff" * (3 * (width - p.width)) for p in chosen for row in p.rows + [b"\xff" * 3 * p.width] * 4]
        Picture(width, len(rows), rows).save(os.path.join(os.environ["WGFIDO_SCREENSHOTS"], "desktop.png"))
    sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped else 0)
