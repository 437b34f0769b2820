#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""org.freedesktop.Notifications on the bus at ADDRESS: what it is told goes to LOG, a JSON line each; who clicks calls Click.
CAPABILITIES are separated by commas."""
import json
import sys

import dbus
import dbus.bus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
MOCK = "org.wgfido1.Mock"


def plain(value):
    if isinstance(value, dbus.Dictionary):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, dbus.Array):
        return [plain(v) for v in value]
    if isinstance(value, dbus.Boolean):
        return bool(value)
    if isinstance(value, (dbus.Byte, int)):
        return int(value)
    return str(value)


class Notifications(dbus.service.Object):
    def __init__(self, bus, capabilities, log):
        super().__init__(bus, PATH)
        self.capabilities, self.log = capabilities, log
        self.last, self.shown = 0, set()

    def write(self, **what):
        self.log.write(json.dumps(what) + "\n")
        self.log.flush()

    @dbus.service.method(NAME, in_signature="", out_signature="as")
    def GetCapabilities(self):
        return self.capabilities

    @dbus.service.method(NAME, in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, app, replaces, icon, summary, body, actions, hints, expire):
        new = replaces not in self.shown
        if new:
            self.last += 1
            replaces = self.last
        self.shown.add(int(replaces))
        self.write(what="notify", id=int(replaces), new=new, app=app, icon=icon, summary=summary, body=body,
                   actions=plain(actions), hints=plain(hints), expire=int(expire))
        return dbus.UInt32(replaces)

    @dbus.service.method(NAME, in_signature="u", out_signature="")
    def CloseNotification(self, number):
        self.write(what="close", id=int(number))
        if number in self.shown:
            self.shown.remove(number)
            self.NotificationClosed(number, 3)

    @dbus.service.signal(NAME, signature="uu")
    def NotificationClosed(self, number, reason):
        pass

    @dbus.service.signal(NAME, signature="us")
    def ActionInvoked(self, number, action):
        pass

    @dbus.service.method(MOCK, in_signature="us", out_signature="")
    def Click(self, number, action):
        """As the usual daemons do it, which take a notification away that was clicked."""
        self.ActionInvoked(number, action)
        self.Dismiss(number)

    @dbus.service.method(MOCK, in_signature="u", out_signature="")
    def Dismiss(self, number):
        self.shown.discard(int(number))
        self.NotificationClosed(number, 2)


def main():
    address, capabilities, log = sys.argv[1:]
    DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(address)
    with open(log, "a", encoding="utf-8") as f:
        mock = Notifications(bus, dbus.Array([c for c in capabilities.split(",") if c], signature="s"), f)
        name = dbus.service.BusName(NAME, bus)
        print("ready", flush=True)
        GLib.MainLoop().run()
        del mock, name


main()
