# SPDX-License-Identifier: GPL-2.0-or-later
"""A polkit that answers as a file says: {"org.wgfido1.approve": "yes" | "no" | "challenge" | "never", "*": ...}.
Every question is added to another file, one JSON object a line. Arguments: bus address, answers file, questions file."""
import json
import sys

import dbus
import dbus.bus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib


class Authority(dbus.service.Object):
    def __init__(self, bus, answers, questions):
        super().__init__(bus, "/org/freedesktop/PolicyKit1/Authority")
        self.answers, self.questions = answers, questions

    def note(self, **what):
        with open(self.questions, "a", encoding="utf-8") as f:
            f.write(json.dumps(what) + "\n")

    @dbus.service.method(
        "org.freedesktop.PolicyKit1.Authority",
        in_signature="(sa{sv})sa{ss}us",
        out_signature="(bba{ss})",
        async_callbacks=("done", "failed"),
    )
    def CheckAuthorization(self, subject, action, details, flags, cancellation_id, done, failed):
        self.note(kind=subject[0], action=action, details=dict(details), flags=int(flags), id=cancellation_id)
        with open(self.answers, encoding="utf-8") as f:
            answers = json.load(f)
        answer = answers.get(action, answers.get("*", "no"))
        if answer != "never":
            done((answer == "yes", answer == "challenge", {}))

    @dbus.service.method("org.freedesktop.PolicyKit1.Authority", in_signature="s")
    def CancelCheckAuthorization(self, cancellation_id):
        self.note(cancelled=cancellation_id)


def main():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(sys.argv[1])
    authority = Authority(bus, sys.argv[2], sys.argv[3])
    name = dbus.service.BusName("org.freedesktop.PolicyKit1", bus)
    print("ready", flush=True)
    GLib.MainLoop().run()
    del authority, name


main()
