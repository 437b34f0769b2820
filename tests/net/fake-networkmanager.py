#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""As much of NetworkManager on DBUS_SYSTEM_BUS_ADDRESS as deactivating the connection of an interface takes.

fake-networkmanager.py active|external|hanging: prints what is asked of it, a line each."""
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME = "org.freedesktop.NetworkManager"
ROOT = "/org/freedesktop/NetworkManager"
DEVICE = ROOT + "/Devices/3"
ACTIVE = ROOT + "/ActiveConnection/5"
MODE = sys.argv[1]


def say(text):
    print(text, flush=True)


class Manager(dbus.service.Object):
    @dbus.service.method(NAME, in_signature="s", out_signature="o")
    def GetDeviceByIpIface(self, interface):
        say("device of " + interface)
        return dbus.ObjectPath(DEVICE)

    @dbus.service.method(NAME, in_signature="o", async_callbacks=("done", "failed"))
    def DeactivateConnection(self, connection, done, failed):
        say("deactivate " + connection)
        if MODE != "hanging":
            done()


class Properties(dbus.service.Object):
    def __init__(self, bus, path, values):
        super().__init__(bus, path)
        self.values = values

    @dbus.service.method("org.freedesktop.DBus.Properties", in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return self.values[interface, name]


def main():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.SystemBus()
    flags = 0x9C if MODE == "external" else 0x1C
    objects = [
        Manager(bus, ROOT),
        Properties(bus, DEVICE, {(NAME + ".Device", "ActiveConnection"): dbus.ObjectPath(ACTIVE)}),
        Properties(bus, ACTIVE, {(NAME + ".Connection.Active", "StateFlags"): dbus.UInt32(flags)}),
    ]
    name = dbus.service.BusName(NAME, bus)
    say("ready")
    GLib.MainLoop().run()
    del objects, name


if __name__ == "__main__":
    main()
