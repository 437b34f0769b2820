# SPDX-License-Identifier: GPL-2.0-or-later
"""A screen: Xvfb with its framebuffer in a file, two notification daemons, somebody who clicks and types.

notification-daemon shows buttons (and in version 3.20 leaves on the screen what was closed by its sender); dunst has none, a click
anywhere on a notification is one on its only action."""
import glob
import mmap
import os
import select
import shutil
import struct
import subprocess
import zlib

from broker_case import BUILD, HERE, PATIENCE, SOURCE
from prompt_case import NOTIFICATIONS, PromptCase

DAEMON = "/usr/lib/notification-daemon/notification-daemon"
PINENTRY = "/usr/bin/pinentry-gtk-2"
WIDTH, HEIGHT = 800, 600
DUNSTRC = """[global]
origin = top-right
offset = 12x12
width = (300, 420)
font = "DejaVu Sans 11"
frame_width = 1
frame_color = "#888888"
separator_height = 6
icon_path = {icons}
enable_recursive_icon_lookup = false
max_icon_size = 48
format = "<b>%s</b>\\n%b"
markup = full
word_wrap = yes
mouse_left_click = do_action
show_indicators = yes
[urgency_low]
timeout = 0
background = "#f4f4f2"
foreground = "#222222"
[urgency_normal]
timeout = 0
background = "#f4f4f2"
foreground = "#222222"
[urgency_critical]
timeout = 0
background = "#fff3d6"
foreground = "#222222"
"""


class Picture:
    """Rows of RGB."""

    def __init__(self, width, height, rows):
        self.width, self.height, self.rows = width, height, rows

    def crop(self, left, top, right, bottom):
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, self.width), min(bottom, self.height)
        return Picture(right - left, bottom - top, [row[3 * left:3 * right] for row in self.rows[top:bottom]])

    def box(self, is_wanted, left=0, top=0, right=None, bottom=None):
        """Around the pixels that is_wanted(r, g, b); None."""
        right, bottom = right or self.width, bottom or self.height
        known, xs, ys = {}, [], []
        blank = None if is_wanted(255, 255, 255) else b"\xff" * 3 * self.width
        for y in range(top, bottom):
            row = self.rows[y]
            if row == blank:
                continue
            for x in range(left, right):
                pixel = row[3 * x:3 * x + 3]
                if pixel not in known:
                    known[pixel] = is_wanted(*pixel)
                if known[pixel]:
                    xs.append(x)
                    ys.append(y)
        return (min(xs), min(ys), max(xs) + 1, max(ys) + 1) if xs else None

    def save(self, path):
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        with open(path, "wb") as f:
            f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)) +
                    chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in self.rows), 9)) + chunk(b"IEND", b""))


def is_dark(r, g, b):
    return r + g + b < 300


class DesktopCase(PromptCase):
    @classmethod
    def setUpClass(cls):
        cls.patient = os.path.join(BUILD, "patient-%d.so" % os.getpid())
        compiler = os.environ.get("CC", "cc").split()
        subprocess.run([*compiler, "-shared", "-fPIC", "-o", cls.patient, os.path.join(HERE, "patient.c"), "-ldl"], check=True)

    @classmethod
    def tearDownClass(cls):
        os.unlink(cls.patient)

    def setUp(self):
        for program in ("Xvfb", "xdotool", DAEMON, "dunst"):
            if not shutil.which(program):
                self.skipTest("%s is not installed" % program)
        super().setUp()
        self.start_screen()

    def start_screen(self):
        where = os.path.join(self.dir, "screen")
        os.mkdir(where)
        r, w = os.pipe()
        # A white root; nobody else gets to this screen: it listens on a socket of its own choice, as root's or ours.
        self.spawn(["Xvfb", "-displayfd", str(w), "-screen", "0", "%dx%dx24" % (WIDTH, HEIGHT), "-fbdir", where, "-nolisten",
                    "tcp", "-wr"], pass_fds=[w], stderr=subprocess.DEVNULL)
        os.close(w)
        with os.fdopen(r) as f:
            number = f.readline().strip()
        self.assertTrue(number, "Xvfb did not start")
        self.display = ":" + number
        self.framebuffer = os.path.join(where, "Xvfb_screen0")

    def environment(self):
        # The icon as it is installed, in the theme that every other one falls back to.
        icons = os.path.join(self.dir, "share", "icons", "hicolor", "scalable", "apps")
        if not os.path.isdir(icons):
            os.makedirs(icons)
            shutil.copy(os.path.join(SOURCE, "desktop", "wgfido.svg"), icons)
            shutil.copy("/usr/share/icons/hicolor/index.theme", os.path.join(self.dir, "share", "icons", "hicolor"))
        return dict(super().environment(), DISPLAY=self.display, HOME=self.dir, NO_AT_BRIDGE="1", GDK_BACKEND="x11",
                    XDG_DATA_DIRS=os.path.join(self.dir, "share") + ":/usr/share", GTK_THEME="Adwaita")

    def start_notifications(self, capabilities=""):
        self.notifications = self.spawn([DAEMON], env=dict(self.environment(), LD_PRELOAD=self.patient), stderr=subprocess.DEVNULL)
        self.wait_for(lambda: self.session.name_has_owner(NOTIFICATIONS), "the notification daemon")

    def start_dunst(self):
        config = os.path.join(self.dir, "dunstrc")
        with open(config, "w", encoding="utf-8") as f:
            f.write(DUNSTRC.format(icons=os.path.join(self.dir, "share/icons/hicolor/scalable/apps")))
        self.notifications = self.spawn(["dunst", "-config", config], env=self.environment(), stderr=subprocess.DEVNULL)
        self.wait_for(lambda: self.session.name_has_owner(NOTIFICATIONS), "dunst")

    def look(self):
        with open(self.framebuffer, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
            head = struct.unpack(">25I", m[:100])
            start, line, little = head[0] + head[19] * 12, head[12], head[7] == 0
            rows = []
            for y in range(HEIGHT):
                pixels = m[start + y * line:start + y * line + 4 * WIDTH]
                rgb = bytearray(3 * WIDTH)
                order = (2, 1, 0) if little else (1, 2, 3)
                for i, j in enumerate(order):
                    rgb[i::3] = pixels[j::4]
                rows.append(bytes(rgb))
        return Picture(WIDTH, HEIGHT, rows)

    def turns(self, pids):
        """How often each of these processes and their descendants has run; None where one still wants to."""
        all_of_them = {}
        try:
            for task in [task for pid in pids for task in glob.glob("/proc/%s/task/*" % pid)]:
                with open(task + "/status", encoding="utf-8") as f:
                    status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
                with open(task + "/children", encoding="utf-8") as f:
                    below = self.turns(f.read().split())
                if below is None or status["State"][0] in "RD":
                    return None
                all_of_them.update(below)
                all_of_them[task] = status["voluntary_ctxt_switches"], status["nonvoluntary_ctxt_switches"]
        except (FileNotFoundError, ProcessLookupError):
            return None  # it has just ended: what it said last may be on its way
        return all_of_them

    def activity(self):
        """Of all who draw, and who tell them what: not of the broker and a token that blinks."""
        return self.turns(p.pid for p in self.processes if p.poll() is None)

    def wait_window(self, what, where=lambda box: True):
        """Around all that is on the screen, once nobody has anything to draw any more, or to say to one who draws."""
        def still():
            before, picture = self.activity(), self.look()
            select.select([], [], [], 0.2)
            if before is None or before != self.activity() or picture.rows != self.look().rows:
                return None
            found = picture.box(lambda r, g, b: r + g + b < 750)
            return found if found and where(found) else None
        return self.wait_for(still, what)

    def wait_blank(self):
        self.wait_for(lambda: not self.look().box(lambda r, g, b: r + g + b < 750), "an empty screen")

    def xdotool(self, *args, **kwargs):
        subprocess.run(["xdotool", *map(str, args)], env=self.environment(), check=True, timeout=PATIENCE, **kwargs)

    def click_at(self, x, y):
        self.xdotool("mousemove", x, y, "click", 1)
        # Out of the way of what is looked at next.
        self.xdotool("mousemove", 2, HEIGHT - 2)
