# SPDX-License-Identifier: GPL-2.0-or-later
"""systemd, timedated, polkit and logind as far as `wgfido doctor` asks them, in the states that a file says:

    {"units": {"wgfidod.service": {"ActiveState": "failed"}}, "actions": {"org.wgfido1.approve": "unix-user:wgfido"},
     "inhibitors": ["wgfido"], "CanNTP": true}

One that is not in the file is not on the bus. Arguments: bus address, the file."""
import json
import sys

import dbus
import dbus.bus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

PROPERTIES = "org.freedesktop.DBus.Properties"
UNIT = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled", "Result": "success"}


class Properties(dbus.service.Object):
    def __init__(self, bus, path, properties):
        super().__init__(bus, path)
        self.properties = properties

    @dbus.service.method(PROPERTIES, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return self.properties[str(name)]


class Systemd(dbus.service.Object):
    def __init__(self, bus, units):
        super().__init__(bus, "/org/freedesktop/systemd1")
        self.units = {}
        for n, (name, properties) in enumerate(units.items()):
            self.units[name] = Properties(bus, "/unit/%d" % n, {**UNIT, **properties})
        self.absent = Properties(bus, "/unit/absent", {**UNIT, "LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""})

    @dbus.service.method("org.freedesktop.systemd1.Manager", in_signature="s", out_signature="o")
    def LoadUnit(self, name):
        return self.units.get(str(name), self.absent).__dbus_object_path__


class Polkit(dbus.service.Object):
    def __init__(self, bus, actions):
        super().__init__(bus, "/org/freedesktop/PolicyKit1/Authority")
        self.actions = actions

    @dbus.service.method("org.freedesktop.PolicyKit1.Authority", in_signature="s", out_signature="a(ssssssuuua{ss})")
    def EnumerateActions(self, locale):
        for name, owner in self.actions.items():
            annotations = {"org.freedesktop.policykit.owner": owner} if owner else {"org.example": "x"}
            yield (name, "", "", "", "", "", dbus.UInt32(0), dbus.UInt32(0), dbus.UInt32(0), annotations)


class Logind(Properties):
    def __init__(self, bus, inhibitors):
        super().__init__(bus, "/org/freedesktop/login1", {"PreparingForSleep": False})
        self.inhibitors = inhibitors

    @dbus.service.method("org.freedesktop.login1.Manager", out_signature="a(ssssuu)")
    def ListInhibitors(self):
        return [("sleep:shutdown", who, "why", "delay", dbus.UInt32(0), dbus.UInt32(1)) for who in self.inhibitors]


def main():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as f:
        says = json.load(f)
    there = []
    for key, name, make in (
        ("units", "org.freedesktop.systemd1", Systemd),
        ("actions", "org.freedesktop.PolicyKit1", Polkit),
        ("inhibitors", "org.freedesktop.login1", Logind),
        ("CanNTP", "org.freedesktop.timedate1", lambda b, v: Properties(b, "/org/freedesktop/timedate1", {"CanNTP": v})),
    ):
        if key in says:
            there += [make(bus, says[key]), dbus.service.BusName(name, bus)]
    print("ready", flush=True)
    GLib.MainLoop().run()
    del there


main()
