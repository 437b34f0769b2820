#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The units: what systemd makes of them, and that they agree with what the bus, polkit, sysusers and udev are told."""
import configparser
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("top_srcdir", ".")
BUILD = os.environ.get("top_builddir", ".")
UNITS = {"wgfidod.service": 1.5, "wgfido-rotate.service": 2.0, "wgfido-rotate-gateway.service": 2.0, "wgfido-tunnel@.service": 3.2}
AGENTS = [name for name in UNITS if "rotate" in name]
PROGRAMS = {"wgfidod": "daemon/wgfidod", "wgfido-rotate": "agent/wgfido-rotate", "wgfido-tunnel": "tunnel/wgfido-tunnel",
            "wgfido-quick": "systemd/wgfido-quick"}
ANALYZE = shutil.which("systemd-analyze")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def unit(name):
    """{(section, key): [values]}; a key may come several times."""
    found, section = {}, None
    for line in read(BUILD, "systemd", name).splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault((section, key), []).append(value)
    return found


class Agreement(unittest.TestCase):
    def get(self, name, key, section="Service"):
        values = unit(name).get((section, key), [])
        self.assertEqual(len(values), 1, f"{name}: {key} is given {len(values)} times")
        return values[0]

    def test_made_by_configure(self):
        for path in glob.glob(os.path.join(BUILD, "systemd", "**", "*"), recursive=True):
            if os.path.isfile(path):
                self.assertNotRegex(read(path), r"@[a-z]+@|\$\{", path)

    def test_bus_activation(self):
        service = configparser.ConfigParser()
        service.read_string(read(SOURCE, "dbus", "org.wgfido1.service"))
        section = service["D-BUS Service"]
        self.assertIn(section["SystemdService"], UNITS)
        self.assertEqual(self.get(section["SystemdService"], "BusName"), section["Name"])
        # Without systemd nothing is started as root by accident.
        self.assertEqual(section["Exec"], "/bin/false")

    def test_users(self):
        users = {}
        for name in ("wgfido", "wgfido-net"):
            lines = read(SOURCE, "systemd", "sysusers.d", name + ".conf").splitlines()
            users.update((line.split()[1], line.split()[0]) for line in lines if not line.startswith("#"))
        self.assertEqual(users, {"wgfido": "u", "wgfido-net": "u"})
        broker = self.get("wgfidod.service", "User")
        self.assertEqual(broker, "wgfido")
        self.assertEqual(self.get("wgfidod.service", "Group"), broker)
        for name in AGENTS:
            self.assertEqual(self.get(name, "User"), "wgfido-net")
        policy = read(SOURCE, "dbus", "org.wgfido1.conf")
        self.assertRegex(policy, rf'<policy user="{broker}">\s*<allow own="org.wgfido1"/>')
        self.assertRegex(policy, r'<policy user="wgfido-net">\s*<allow [^>]*"Lease"/>')
        owners = set(re.findall(r"unix-user:([^<]*)<", read(SOURCE, "polkit", "org.wgfido1.policy")))
        self.assertEqual(owners, {broker})
        self.assertRegex(read(SOURCE, "systemd", "tmpfiles.d", "wgfido.conf"), rf"(?m)^d \S+ 0700 {broker} {broker} ")

    def test_pcscd_lets_the_broker(self):
        rule = read(SOURCE, "polkit", "50-wgfido-cards.rules")
        self.assertIn(f'subject.user == "{self.get("wgfidod.service", "User")}"', rule)
        self.assertEqual(set(re.findall(r'action.id == "([^"]+)"', rule)),
                         {"org.debian.pcsc-lite.access_pcsc", "org.debian.pcsc-lite.access_card"})
        # It must be able to connect to /run/pcscd/pcscd.comm.
        broker = unit("wgfidod.service")
        self.assertIn("AF_UNIX", broker[("Service", "RestrictAddressFamilies")][0].split())
        for key in ("InaccessiblePaths", "TemporaryFileSystem", "RootDirectory"):
            self.assertNotIn(("Service", key), broker)

    def test_capabilities(self):
        self.assertEqual(self.get("wgfidod.service", "CapabilityBoundingSet"), "")
        self.assertNotIn(("Service", "AmbientCapabilities"), unit("wgfidod.service"))
        for name in AGENTS:
            self.assertEqual(self.get(name, "CapabilityBoundingSet"), "CAP_NET_ADMIN")
            self.assertEqual(self.get(name, "AmbientCapabilities"), "CAP_NET_ADMIN")

    def test_ends_closed(self):
        for name in UNITS:
            # A frozen process gets no other signal, and ExecStopPost= comes after its death.
            self.assertEqual(self.get(name, "WatchdogSignal"), "SIGKILL")
            self.assertEqual(self.get(name, "WatchdogSec"), "10")
            self.assertEqual(self.get(name, "Type"), "notify")
            self.assertEqual(self.get(name, "Restart"), "on-failure")
        for name in AGENTS:
            self.assertEqual(self.get(name, "ExecStopPost"), self.get(name, "ExecStart") + " --close-all")
        self.assertTrue(self.get("wgfido-rotate-gateway.service", "ExecStart").endswith(" --gateway"))

    def test_tunnel(self):
        """What it makes as root, and what wg-quick does with it."""
        self.assertNotIn(("Service", "User"), unit("wgfido-tunnel@.service"))
        capabilities = self.get("wgfido-tunnel@.service", "CapabilityBoundingSet").split()
        self.assertEqual(capabilities, ["CAP_NET_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_CHOWN"])
        self.assertEqual(self.get("wgfido-tunnel@.service", "DeviceAllow"), "/dev/net/tun rw")
        for key in ("ExecStartPost", "ExecReload", "ExecStop"):
            self.assertTrue(self.get("wgfido-tunnel@.service", key).startswith("+"), "hooks may do what they do with wg-quick@")
        self.assertRegex(self.get("wgfido-tunnel@.service", "ExecStartPost"), r"/wgfido-quick --made %i up %i$")
        self.assertIn(f'#define USER "{self.get("wgfido-rotate.service", "User")}"', read(SOURCE, "tunnel", "main.c"))

    def test_worker_can_restrict_itself(self):
        allowed = " ".join(unit("wgfidod.service")[("Service", "SystemCallFilter")]).split()
        for call in ("seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"):
            self.assertIn(call, allowed)

    def test_broker_sees_keys_and_sessions(self):
        broker = unit("wgfidod.service")
        self.assertEqual(broker[("Service", "DeviceAllow")], ["char-hidraw rw"])
        self.assertIn("modprobe@hid.service", broker[("Unit", "After")][0].split())
        for key in ("PrivateDevices", "PrivateNetwork", "ProtectProc"):
            self.assertNotIn(("Service", key), broker, "see the comment in the unit")

    def test_udev(self):
        (path,) = glob.glob(os.path.join(SOURCE, "udev", "*.rules"))
        # After 60-fido-id.rules, which says what is a security key, and 70-*, where others give it a group.
        self.assertGreater(int(os.path.basename(path)[:2]), 70)
        rules = [line for line in read(path).splitlines() if line and not line.startswith("#")]
        self.assertEqual(len(rules), 1)
        self.assertIn('ENV{ID_FIDO_TOKEN}=="1"', rules[0])
        self.assertIn(f'GROUP="{self.get("wgfidod.service", "Group")}", MODE="0660"', rules[0])
        self.assertNotRegex(rules[0], r"(?i)idvendor|idproduct|TAG-=|TAG=|:=")


class UserUnit(unittest.TestCase):
    """wgfido-prompt in the session."""

    def test_agreement(self):
        values = unit("user/wgfido-prompt.service")
        name = re.search(r'#define WGFIDO_PROMPT_BUS_NAME "([^"]+)"', read(SOURCE, "common", "names.h"))[1]
        self.assertEqual(values[("Service", "BusName")], [name])
        self.assertEqual(values[("Install", "WantedBy")], ["graphical-session.target"])
        self.assertEqual(values[("Unit", "PartOf")], ["graphical-session.target"])
        self.assertEqual(values[("Service", "Restart")], ["on-failure"])
        # A user's service manager can set these up without help; one that it cannot would keep the service from starting.
        for key in ("ProtectSystem", "PrivateTmp", "PrivateDevices", "ProtectHome", "CapabilityBoundingSet"):
            self.assertNotIn(("Service", key), values)


@unittest.skipUnless(ANALYZE, "systemd-analyze is not installed")
class Systemd(unittest.TestCase):
    def exposure(self, path):
        out = subprocess.run([ANALYZE, "security", "--offline=true", "--no-pager", path], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, check=False).stdout
        found = re.search(r"Overall exposure level for .*: ([0-9.]+)", out)
        self.assertTrue(found, out)
        return float(found[1])

    def test_exposure(self):
        for name, limit in UNITS.items():
            value = self.exposure(os.path.join(os.path.abspath(BUILD), "systemd", name))
            print(f"{name}: exposure {value}, at most {limit} is allowed", file=sys.stderr)
            self.assertLessEqual(value, limit, name)

    def test_exposure_can_fail(self):
        with tempfile.TemporaryDirectory() as where:
            path = os.path.join(where, "open.service")
            with open(path, "w", encoding="utf-8") as f:
                f.write("[Service]\nExecStart=/bin/true\n")
            self.assertGreater(self.exposure(path), 2.0)

    def verify(self, where):
        paths = sorted(glob.glob(os.path.join(where, "*.service")))
        return subprocess.run([ANALYZE, "verify", "--man=no", "--no-pager", *paths], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)

    def copy(self, where, change=lambda text: text):
        for name in UNITS:
            text = read(BUILD, "systemd", name)
            for program, path in PROGRAMS.items():
                text = re.sub(rf"/\S*/{program}(?=\s)", os.path.abspath(os.path.join(BUILD, path)), text)
            with open(os.path.join(where, name), "w", encoding="utf-8") as f:
                f.write(change(text))

    def ours(self, output):
        """Not what systemd has to say of the units of others."""
        return [line for line in output.splitlines() if "wgfido" in line]

    def test_verify(self):
        with tempfile.TemporaryDirectory() as where:
            self.copy(where)
            result = self.verify(where)
            self.assertEqual(self.ours(result.stdout), [])
            self.copy(where, lambda text: text.replace("WatchdogSec=10", "WatchdogSec=ten"))
            self.assertNotEqual(self.ours(self.verify(where).stdout), [])


    def test_verify_user(self):
        text = re.sub(r"/\S*/wgfido-prompt(?=\s)", os.path.abspath(os.path.join(BUILD, "client", "wgfido-prompt")),
                      read(BUILD, "systemd", "user", "wgfido-prompt.service"))
        for change, good in (("Type=dbus", True), ("Type=bus", False)):
            with tempfile.TemporaryDirectory() as where:
                path = os.path.join(where, "wgfido-prompt.service")
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text.replace("Type=dbus", change))
                out = subprocess.run([ANALYZE, "verify", "--user", "--man=no", "--no-pager", path], stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True, check=False,
                                     env=dict(os.environ, XDG_RUNTIME_DIR=where)).stdout
                # The machine that builds may have no user bus.
                wrong = [line for line in self.ours(out) if "dbus.socket not found" not in line]
                self.assertEqual(not wrong, good, out)


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped else 0)
