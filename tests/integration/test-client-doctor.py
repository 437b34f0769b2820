#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""wgfido doctor against services that are well, ill or not there: one sentence for each, and the command that mends it. The
real ones are asked in tests/vm/full/doctor.sh."""
import json
import os
import pwd
import re
import subprocess
import sys
import time

import dbus

from broker_case import HERE, NAME, SOURCE, TUNNEL, BrokerCase
from client_case import BUILD, KEY, ClientCase, Runner, fake, unittest

USER = pwd.getpwuid(os.getuid()).pw_name
ACTIONS = ["org.wgfido1." + a for a in ("approve", "revoke", "enroll", "import", "export", "rekey", "keyslots")]
CLOCK = r"clock is not synchronised"  # of the machine that runs the test


def wrong(out):
    """[(finding, what mends it)]"""
    return [found for found in re.findall(r"^wrong  (.*)\n +-> (.*)$", out, re.M) if not re.search(CLOCK, found[0])]



def keys_dir():
    """Where this build keeps key files, below the root: as it was configured."""
    with open(os.path.join(BUILD, "Makefile")) as f:
        given = dict(re.findall(r"^(prefix|localstatedir) = (.*)$", f.read(), re.M))
    return "root" + given["localstatedir"].replace("${prefix}", given["prefix"]) + "/lib/wgfido/keys"


class Doctor(ClientCase):
    def setUp(self):
        super().setUp()
        self.units = {"wgfidod.service": {}, "wgfido-rotate.service": {}}
        self.actions = {a: "unix-user:" + USER for a in ACTIONS}
        self.says = {"units": self.units, "actions": self.actions, "inhibitors": ["x", "wgfido"], "CanNTP": True}
        self.write("etc/wg0.conf", "[Interface]\nMode = psk\nPublicKey = %s\n[Peer]\nPublicKey = %s\n" % (KEY["C"], KEY["A"]))
        self.mock = None

    def mock_system(self, **says):
        self.stop_mock()
        self.write("says", json.dumps({k: v for k, v in {**self.says, **says}.items() if v is not None}))
        self.mock = subprocess.Popen([sys.executable, "-B", os.path.join(HERE, "mock_system.py"), self.bus.address, self.where("says")],
                                     stdout=subprocess.PIPE)
        self.addCleanup(self.stop_mock)
        self.assertEqual(self.mock.stdout.readline(), b"ready\n")

    def stop_mock(self):
        if self.mock:
            self.mock.terminate()
            self.mock.wait()
            self.mock.stdout.close()
        self.mock = None

    def fake_broker(self):
        self.start_broker()
        self.broker.manager.properties["Version"] = self.wgfido("--version").split()[1]
        self.wg0 = self.broker.add(fake.Tunnel, "wg0", Held="wrapped", KeySlots=dbus.Array(
            [(dbus.UInt32(n), "hmac-secret", "", "presence", dbus.UInt64(0)) for n in (1, 2)], signature="(ussst)"))
        self.token = self.broker.add(fake.Token, 1)
        self.broker.start()
        self.agent()

    def agent(self, **more):
        status = {"interface": "wg0", "mode": "psk", "role": "client", "backend": "kernel", "state": "closed", "reason": "",
                  "changed_boottime_us": fake.boottime_us(), "closed_boottime_us": 0, "problem": "", "peers": []}
        self.write("run/wg0.json", json.dumps({**status, **more}))

    def doctor(self):
        return wrong(self.wgfido("doctor", status=None))

    def finds(self, sentence, mend, **says):
        self.mock_system(**says)
        found = self.doctor()
        self.assertEqual(len(found), 1, self.out)
        self.assertRegex(found[0][0], sentence)
        self.assertRegex(found[0][1], mend)
        self.assertEqual(self.err, "")

    def well(self, **says):
        self.mock_system(**says)
        self.assertEqual(self.doctor(), [])

    def test_well(self):
        self.fake_broker()
        # The private bus starts nothing, which is the one thing that is not as it should be.
        self.finds("cannot start the broker", r"org\.wgfido1\.service is missing")
        self.assertRegex(self.out, "ok     polkit knows")
        self.assertRegex(self.out, "ok     logind tells")
        self.assertEqual(self.broker.calls, [])  # nothing was asked of the broker that it would do

    def with_units(self, sentence, mend):
        self.mock_system()
        found = [f for f in self.doctor() if "cannot start the broker" not in f[0]]
        self.assertEqual(len(found), 1, self.out)
        self.assertRegex(found[0][0], sentence)
        self.assertRegex(found[0][1], mend)

    def test_units(self):
        self.fake_broker()
        agent = self.units["wgfido-rotate.service"]
        agent.update(UnitFileState="disabled")
        self.with_units("does not start with the machine", "^systemctl enable wgfido-rotate$")
        agent.update(ActiveState="inactive")
        self.with_units("wgfido-rotate.service does not run", "^systemctl enable --now wgfido-rotate$")
        agent.update(ActiveState="failed", Result="watchdog")
        self.with_units(r"has failed \(watchdog\)", "systemctl restart wgfido-rotate$")
        agent.update(LoadState="masked", UnitFileState="masked")
        self.with_units("is masked", "unmask wgfido-rotate && systemctl enable --now wgfido-rotate$")
        agent.update(LoadState="bad-setting")
        self.with_units("cannot use wgfido-rotate.service", "^systemctl status")
        del self.units["wgfido-rotate.service"]
        self.with_units("knows no wgfido-rotate.service", "daemon-reload")
        self.units.update({"wgfido-rotate.service": {}, "wgfido-rotate-gateway.service": {}})
        self.with_units("each of them stops the other", "^systemctl disable --now wgfido-rotate-gateway && ")

    def test_broker_does_not_run(self):
        self.agent()
        self.actions.update({a: "unix-user:wgfido" for a in ACTIONS})
        self.units["wgfidod.service"].update(ActiveState="activating", SubState="auto-restart", Result="exit-code")
        self.with_units(r"wgfidod.service does not come up \(auto-restart, exit-code\)", "^journalctl -b -u wgfidod")
        self.units["wgfidod.service"].update(ActiveState="inactive")
        self.with_units("wgfidod.service does not run", "^systemctl start wgfidod$")
        self.says["units"] = None
        self.with_units("The broker is not running", "^start wgfidod")

    def test_gateway(self):
        self.agent(role="gateway")
        self.units.clear()
        self.units["wgfido-rotate-gateway.service"] = {"UnitFileState": "disabled"}
        self.finds("gateway.service runs, but", "enable wgfido-rotate-gateway", actions=None, inhibitors=None)
        self.assertNotIn("polkit", self.out)
        # Without any bus, nothing of that is needed.
        self.env["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=" + self.where("no-bus")
        self.assertEqual(self.doctor(), [])

    def test_no_bus(self):
        self.agent()
        self.env["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=" + self.where("no-bus")
        ((sentence, mend),) = self.doctor()
        self.assertRegex(sentence, "bus cannot be reached")
        self.assertRegex(mend, "systemctl start dbus")

    def test_no_systemd(self):
        self.fake_broker()
        self.well(units=None)
        self.assertEqual(self.out.count("docs/running.md"), 1)

    def test_polkit(self):
        self.fake_broker()
        self.finds("polkit cannot be asked.*not installed", "apt-get install polkitd", units=None, actions=None)
        self.finds("does not know the action org.wgfido1.rekey", "org.wgfido1.policy", units=None,
                   actions={a: o for a, o in self.actions.items() if not a.endswith("rekey")})
        if USER == "root":
            return  # who need not be the owner
        for owner in ("", "unix-user:" + USER + "x", "unix-user:nobody", "unix-group:" + USER):
            self.finds("does not let the user %s ask" % USER, "org.wgfido1.policy", units=None,
                       actions={**self.actions, ACTIONS[2]: owner})
        self.well(units=None, actions={a: "unix-user:0 unix-user:" + USER for a in ACTIONS})

    def test_logind(self):
        self.fake_broker()
        self.well(units=None, inhibitors=None)
        self.assertRegex(self.out, "note .*nothing tells of suspend")
        self.finds("does not hold suspend back", "restart wgfidod", units=None, inhibitors=["somebody"])
        conf = self.read("etc/wg0.conf").decode()
        self.write("etc/wg0.conf", conf.replace("Mode = psk", "Mode = psk\nEndOn = logout"))
        self.finds("logind does not answer", "systemd-logind, or take", units=None, inhibitors=None)
        self.well(units=None, inhibitors=[])
        self.write("etc/wg0.conf", conf.replace("Mode = psk", "Mode = psk\nEndOn = none"))
        self.well(units=None, inhibitors=None)
        self.assertNotIn("logind", self.out)

    def test_module(self):
        self.fake_broker()
        tree = "root/lib/modules/" + os.uname().release
        os.rename(self.where(tree + "/modules.builtin"), self.where(tree + "/modules.dep"))
        self.well(units=None)  # no ':' is needed to be found
        os.makedirs(self.where("root/etc/modprobe.d"))
        self.write("root/etc/modprobe.d/a.conf", "blacklist wireguard\n")
        self.finds("may not load", "^take wireguard out of .*/etc/modprobe.d/a.conf$", units=None)
        os.unlink(self.where("root/etc/modprobe.d/a.conf"))
        os.unlink(self.where(tree + "/modules.dep"))
        self.finds("has no module wireguard", "wireguard-go", units=None)
        os.makedirs(self.where("root/usr/bin"))
        self.write("root/usr/bin/wireguard-go", "")
        self.well(units=None)

    def test_files(self):
        self.fake_broker()
        keys = keys_dir()
        os.makedirs(self.where(keys), mode=0o700)
        self.write(keys + "/wg0.key", "")
        os.chmod(self.where(keys + "/wg0.key"), 0o600)
        for path, mode, sentence, mend, good in (
            ("etc/wg0.conf", 0o664, "may change", "chmod go-w", 0o644),
            ("etc", 0o777, "may change", "chmod go-w", 0o755),
            (keys + "/wg0.key", 0o640, "may read or change", "chmod go=", 0o600),
            (keys, 0o711, "may read or change", "chmod go=", 0o700),
        ):
            os.chmod(self.where(path), mode)
            self.finds(sentence, "^" + mend, units=None)
            subprocess.run(["sh", "-c", self.doctor()[0][1]], check=True)
            self.assertEqual(os.stat(self.where(path)).st_mode & 0o777, good)
            self.well(units=None)
        # In a directory that is somebody else's, root's chmod could be led elsewhere by a link.
        if os.geteuid() == 0:
            key = self.where(keys + "/wg0.key")
            os.chmod(key, 0o640)
            os.chown(key, pwd.getpwnam("nobody").pw_uid, -1)
            self.finds("may read or change", "^runuser -u nobody -- chmod go= ", units=None)
            os.chown(key, 0, -1)
            os.chmod(key, 0o600)
        for name in ("wireguard/.a b';c.conf.tmp-0123abcd", "etc/.wg0.conf.tmp-00000000", keys + "/.wg0.key.tmp-ffffffff"):
            self.write(name, "")
            self.well(units=None)  # somebody may be at it
            os.utime(self.where(name), (time.time() - 3600,) * 2)
            self.finds("interrupted change left", "^rm ", units=None)
            subprocess.run(["sh", "-c", self.doctor()[0][1]], check=True)
            self.assertFalse(os.path.exists(self.where(name)))

    def test_pins(self):
        slot = dbus.Struct((dbus.UInt32(1), "hmac-secret", "", "pin", dbus.UInt64(0)), signature="ussst")
        self.fake_broker()
        self.wg0.properties["KeySlots"] = dbus.Array([slot], signature="(ussst)")
        self.well(units=None)
        self.assertIn("wg0 wants a PIN, and no security key", self.out)
        self.token.properties["PinState"] = "set"
        self.well(units=None)
        self.assertNotIn("wants a PIN", self.out)
        self.assertIn("lacks credProtect", self.out)
        self.token.properties["PinState"] = "blocked"
        self.finds("PIN of YubiKey 5 is blocked", "plug it out and in", units=None)


class Policy(BrokerCase, Runner):
    """The real broker on a bus with the project's policy, of which one line after the other is missing."""

    def policy(self):
        return super().policy().replace(self.without, "") if self.without else super().policy()

    without = ""

    def setUp(self):
        with open(os.path.join(SOURCE, "dbus", "org.wgfido1.conf"), encoding="utf-8") as f:
            default = re.search(r'<policy context="default">(.*?)</policy>', f.read(), re.S).group(1)
        self.lines = re.findall(r"<allow [^>]*/>", default)
        super().setUp()

    def policy_findings(self):
        self.prepare_client(self.address)
        out = self.wgfido("doctor", status=None)
        return [(s, m) for s, m in wrong(out) if "policy" in s or "broker" in s]

    def test_each_line(self):
        self.config()
        self.start_broker()
        self.token()
        self.enroll()
        self.approve()
        self.assertEqual(self.policy_findings(), [])
        # What was sent to find out has done nothing.
        self.assertEqual(self.get(self.tunnel(), TUNNEL, "State"), "approved")
        self.stop_broker()
        self.assertGreater(len(self.lines), 15)
        for line in self.lines:
            type(self).without = line
            self.addCleanup(setattr, type(self), "without", "")
            self.bus_daemon.terminate()
            self.bus_daemon.wait()
            self.start_bus()
            self.start_broker(wait=False)
            self.wait_for(lambda: self.bus.name_has_owner(NAME), "the broker")
            found = self.policy_findings()
            self.stop_broker()
            if "org.freedesktop.DBus.Peer" in line:
                self.assertEqual(found, [])  # only asked where the broker does not answer
                continue
            self.assertEqual(len(found), 1, (line, self.out))
            self.assertRegex(found[0][0], "not of this version|broker", line)

    def test_no_policy(self):
        type(self).without = re.search(r'<policy context="default">\s*<allow send_destination="org.wgfido1".*?</policy>',
                                       super().policy(), re.S).group(0)
        self.addCleanup(setattr, type(self), "without", "")
        self.bus_daemon.terminate()
        self.bus_daemon.wait()
        self.start_bus()
        self.config()
        self.start_broker()
        self.prepare_client(self.address)
        found = self.policy_findings()
        self.assertEqual(len(found), 1, self.out)
        sentence, mend = found[0]
        self.assertRegex(sentence, "has no policy for org.wgfido1")
        self.assertRegex(mend, "is missing; then systemctl reload dbus")


if __name__ == "__main__":
    unittest.main()
