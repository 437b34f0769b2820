# SPDX-License-Identifier: GPL-2.0-or-later
"""A logind that does as it is told on standard input: "sleep", "wake", "lock SESSION", "remove SESSION". It answers each line
with one of its own: for "sleep", when the delay inhibitor has been given back. Arguments: bus address, what CanHibernate says;
"" for no answer."""
import os
import sys

import dbus
import dbus.bus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

MANAGER = "org.freedesktop.login1.Manager"
SESSION = "org.freedesktop.login1.Session"


def say(what):
    print(what, flush=True)


class Session(dbus.service.Object):
    @dbus.service.signal(SESSION)
    def Lock(self):
        pass


class Manager(dbus.service.Object):
    def __init__(self, bus, can_hibernate):
        super().__init__(bus, "/org/freedesktop/login1")
        self.bus, self.can_hibernate, self.held = bus, can_hibernate, None

    @dbus.service.method(MANAGER, in_signature="ssss", out_signature="h")
    def Inhibit(self, what, who, why, mode):
        r, w = os.pipe()
        self.held = r
        fd = dbus.types.UnixFd(w)
        os.close(w)
        say("inhibited %s %s" % (what, mode))
        return fd

    @dbus.service.method(MANAGER, out_signature="s", async_callbacks=("answer", "fail"))
    def CanHibernate(self, answer, fail):
        if self.can_hibernate:
            answer(self.can_hibernate)

    @dbus.service.signal(MANAGER, signature="b")
    def PrepareForSleep(self, begins):
        pass

    @dbus.service.signal(MANAGER, signature="so")
    def SessionRemoved(self, session, path):
        pass

    def released(self, fd, condition):
        os.close(fd)
        say("released")
        return False

    def command(self, line):
        verb, _, session = line.strip().partition(" ")
        path = "/org/freedesktop/login1/session/_3" + session if session[:1].isdigit() else None
        if verb == "sleep":
            self.PrepareForSleep(True)
            GLib.io_add_watch(self.held, GLib.IO_HUP, self.released)
        elif verb == "wake":
            self.PrepareForSleep(False)
        elif verb == "lock":
            Session(self.bus, path).Lock()
            say("locked")
        elif verb == "remove":
            self.SessionRemoved(session, path)
            say("removed")


def main():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(sys.argv[1])
    manager = Manager(bus, sys.argv[2])
    name = dbus.service.BusName("org.freedesktop.login1", bus)
    loop = GLib.MainLoop()

    def on_line(fd, condition):
        line = os.read(0, 4096).decode()
        for one in line.splitlines():
            manager.command(one)
        return bool(line)

    GLib.io_add_watch(0, GLib.IO_IN | GLib.IO_HUP, on_line)
    say("ready")
    loop.run()
    del name


main()
