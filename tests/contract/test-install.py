#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`make install` puts everything in its place below DESTDIR, and `make uninstall` leaves nothing."""
import os
import shutil
import subprocess
import tempfile
import unittest

BUILD = os.environ.get("top_builddir", ".")
# Below the prefix, with the directories as configure makes them.
EXPECTED = (
    "bin/wgfido", "bin/wgfido-softtoken", "bin/wgfido-prompt", "sbin/wgfido-rotate", "libexec/wgfido/wgfidod", "libexec/wgfido/wgfido-token",
    "lib/systemd/system/wgfidod.service", "lib/systemd/system/wgfido-rotate.service",
    "lib/systemd/system/wgfido-rotate-gateway.service", "lib/sysusers.d/wgfido.conf", "lib/sysusers.d/wgfido-net.conf",
    "lib/tmpfiles.d/wgfido.conf", "lib/tmpfiles.d/wgfido-net.conf", "lib/udev/rules.d/72-wgfido.rules",
    "lib/NetworkManager/dispatcher.d/90-wgfido", "share/polkit-1/rules.d/50-wgfido-networkmanager.rules",
    "share/polkit-1/rules.d/50-wgfido-cards.rules",
    "share/dbus-1/system.d/org.wgfido1.conf", "share/dbus-1/system-services/org.wgfido1.service",
    "share/dbus-1/interfaces/org.wgfido1.Manager.xml", "share/polkit-1/actions/org.wgfido1.policy",
    "share/man/man1/wgfido.1", "share/man/man5/wgfido.conf.5", "share/man/man7/wgfido.7", "share/man/man8/wgfidod.8",
    "share/man/man8/wgfido-rotate.8", "share/man/man8/wgfido-token.8", "share/man/man1/wgfido-softtoken.1",
    "lib/systemd/user/wgfido-prompt.service", "share/man/man1/wgfido-prompt.1",
    "share/applications/org.wgfido1.Prompt.desktop", "share/metainfo/org.wgfido1.Prompt.metainfo.xml",
    "share/icons/hicolor/scalable/apps/wgfido.svg", "share/icons/hicolor/symbolic/apps/wgfido-symbolic.svg",
    "share/bash-completion/completions/wgfido.bash", "share/zsh/site-functions/_wgfido",
    "share/fish/vendor_completions.d/wgfido.fish",
)
DIRECTORIES = ("systemdsystemunitdir=/%s/lib/systemd/system", "systemduserunitdir=/%s/lib/systemd/user", "sysusersdir=/%s/lib/sysusers.d",
               "tmpfilesdir=/%s/lib/tmpfiles.d", "udevrulesdir=/%s/lib/udev/rules.d",
               "nmdispatcherdir=/%s/lib/NetworkManager/dispatcher.d",
               "bashcompletiondir=/%s/share/bash-completion/completions", "zshcompletiondir=/%s/share/zsh/site-functions",
               "fishcompletiondir=/%s/share/fish/vendor_completions.d")
PREFIX = "usr"


class Install(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="wgfido-install-")
        self.addCleanup(shutil.rmtree, self.root)

    def make(self, target):
        # Not a part of the make that runs the tests.
        env = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        result = subprocess.run(
            [os.environ.get("MAKE", "make"), "-C", BUILD, target, f"DESTDIR={self.root}", f"prefix=/{PREFIX}",
             f"exec_prefix=/{PREFIX}", f"bindir=/{PREFIX}/bin", f"sbindir=/{PREFIX}/sbin", f"libexecdir=/{PREFIX}/libexec",
             f"datarootdir=/{PREFIX}/share", f"datadir=/{PREFIX}/share", f"mandir=/{PREFIX}/share/man",
             "sysconfdir=/etc", "localstatedir=/var", *(directory % PREFIX for directory in DIRECTORIES)],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stdout)

    def files(self):
        return {os.path.relpath(os.path.join(where, name), self.root) for where, _, names in os.walk(self.root)
                for name in names}

    def test_install_uninstall(self):
        self.make("install")
        found = self.files()
        self.assertEqual({f"{PREFIX}/{path}" for path in EXPECTED} - found, set())
        # All of it below the prefix: /etc and /var belong to the administrator and to tmpfiles.
        self.assertEqual({path for path in found if not path.startswith(PREFIX + "/")}, set())
        for path in found:
            mode = os.stat(os.path.join(self.root, path)).st_mode & 0o7777
            program = path.split("/")[1] in ("bin", "sbin", "libexec") or "dispatcher.d" in path
            self.assertEqual(mode, 0o755 if program else 0o644, path)
        self.make("uninstall")
        self.assertEqual(self.files(), set())
        ours = [where for where, _, _ in os.walk(self.root) if os.path.basename(where).startswith("wgfido")
                and where != self.root]
        self.assertEqual(ours, [])


if __name__ == "__main__":
    unittest.main()
