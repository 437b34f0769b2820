#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The .desktop file, the metainfo and the icons: valid, and under the names that wgfido-prompt gives to the desktop."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET

SOURCE = os.environ.get("top_srcdir", ".")
DESKTOP = os.path.join(SOURCE, "desktop")
VALIDATE = shutil.which("desktop-file-validate")
APPSTREAM = shutil.which("appstreamcli")


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as f:
        return f.read()


NAME = re.search(r'#define WGFIDO_PROMPT_BUS_NAME "([^"]+)"', read("common", "names.h"))[1]


class Names(unittest.TestCase):
    def test_files(self):
        icon = re.search(r'#define NOTIFY_ICON "([^"]+)"', read("client", "notify.h"))[1]
        self.assertEqual({name for name in os.listdir(DESKTOP) if name != "local.mk"},
                         {NAME + ".desktop", NAME + ".metainfo.xml", icon + ".svg", icon + "-symbolic.svg"})
        self.assertIn("\nIcon=%s\n" % icon, read("desktop", NAME + ".desktop"))
        component = ET.fromstring(read("desktop", NAME + ".metainfo.xml"))
        self.assertEqual(component.find("id").text, NAME)
        self.assertEqual(component.find("launchable").text, NAME + ".desktop")

    def test_icons(self):
        for name in ("wgfido.svg", "wgfido-symbolic.svg"):
            svg = ET.fromstring(read("desktop", name))
            size = svg.get("width")
            self.assertEqual((svg.get("height"), svg.get("viewBox")), (size, f"0 0 {size} {size}"), name)
            # Nothing from elsewhere, nothing that runs.
            self.assertNotRegex(read("desktop", name), r"<(script|image|use|foreignObject)|href=")
        # One colour: the desktop gives it its own.
        self.assertEqual(len(set(re.findall("#[0-9a-f]{6}", read("desktop", "wgfido-symbolic.svg")))), 1)


class Valid(unittest.TestCase):
    @unittest.skipUnless(VALIDATE, "desktop-file-validate is not installed")
    def test_desktop_file(self):
        path = os.path.join(DESKTOP, NAME + ".desktop")
        done = subprocess.run([VALIDATE, path], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        with tempfile.TemporaryDirectory() as where:
            bad = os.path.join(where, "bad.desktop")
            with open(bad, "w", encoding="utf-8") as f:
                f.write(read("desktop", NAME + ".desktop").replace("Type=Application\n", ""))
            self.assertNotEqual(subprocess.run([VALIDATE, bad], capture_output=True, check=False).returncode, 0)

    def test_metainfo(self):
        if not APPSTREAM:
            return  # of no weight: the file is checked where it is published
        done = subprocess.run([APPSTREAM, "validate", "--no-net", os.path.join(DESKTOP, NAME + ".metainfo.xml")],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped else 0)
