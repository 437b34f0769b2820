# SPDX-License-Identifier: GPL-2.0-or-later
"""A broker without tokens or keys for the tests of the command line: the interfaces of dbus/*.xml on a private
bus, with answers that the test lines up beforehand.

    broker.answers["Approve"] = [fail("PinRequired"), touch(then=ok_approve(3600))]

An answer is a function (call, done, failed): call has what the client sent (with pipes read), and exactly one of done
and failed is to be called, now or later. Without a line-up a call succeeds in the simplest way.
"""
import os
import subprocess
import threading

import dbus
import dbus.lowlevel
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

from private_bus import boottime_us, pipe_with, private_bus  # noqa: F401, pipe_with is for the tests

NAME = "org.wgfido1"
ROOT = "/org/wgfido1"
PREFIX = "org.wgfido1."
PROPERTIES = "org.freedesktop.DBus.Properties"
MANAGER = "org.freedesktop.DBus.ObjectManager"

EVERYBODY = (
    '<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>'
)


class Bus:
    """A private message bus in a directory of the test's."""

    def __init__(self, directory):
        self.address, command = private_bus(directory, EVERYBODY)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.process.stdout.readline()

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Error(dbus.DBusException):
    def __init__(self, name, message=""):
        super().__init__(message)
        self._dbus_error_name = "org.wgfido1.Error." + name


# The answers a test lines up.
def ok(*values):
    return lambda call, done, failed: done(*values)


def fail(name, message=None):
    return lambda call, done, failed: failed(Error(name, message or name + " happened."))


def never(call, done, failed):
    """Until Cancel()."""
    call.tunnel.pending.append(failed)


def approve(seconds=8 * 3600):
    def answer(call, done, failed):
        until = boottime_us() + seconds * 1000000
        call.tunnel.set(State="approved", ApprovedUntil=dbus.UInt64(until))
        done(dbus.UInt64(until))

    return answer


def prompt(kind, then, token="YubiKey 5", step=1, steps=1, seconds=30, after_ms=50):
    """Shows a prompt for a while, then goes on with another answer."""

    def answer(call, done, failed):
        call.tunnel.set(
            Prompt=kind,
            PromptToken=token,
            PromptDeadline=dbus.UInt64(boottime_us() + seconds * 1000000),
            PromptStep=dbus.UInt32(step),
            PromptSteps=dbus.UInt32(steps),
            PromptRequester="uid 0 (root)",
        )

        def go_on():
            call.tunnel.set(Prompt="", PromptToken="", PromptDeadline=dbus.UInt64(0), PromptSteps=dbus.UInt32(0))
            then(call, done, failed)
            return False

        if then is never:
            never(call, done, failed)
        elif not after_ms:
            go_on()
        else:
            GLib.timeout_add(after_ms, go_on)

    return answer


class Call:
    def __init__(self, tunnel, method, options, **arguments):
        self.tunnel = tunnel
        self.method = method
        self.options = {}
        for k, v in (options or {}).items():
            if isinstance(v, dbus.types.UnixFd):
                fd = v.take()
                with os.fdopen(fd, "rb") as f:
                    self.options[str(k)] = f.read()
            else:
                self.options[str(k)] = v
        for k, v in arguments.items():
            setattr(self, k, v)


class Object(dbus.service.Object):
    def __init__(self, broker, path, interface, properties):
        self.broker = broker
        self.path = path
        self.interface = PREFIX + interface
        self.properties = dict(properties)
        super().__init__(broker.connection, path)

    def set(self, **changed):
        self.properties.update(changed)
        self.PropertiesChanged(self.interface, changed, [])

    @dbus.service.signal(PROPERTIES, signature="sa{sv}as")
    def PropertiesChanged(self, interface, changed, invalidated):
        pass

    @dbus.service.method(PROPERTIES, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return self.properties[str(name)]

    @dbus.service.method(PROPERTIES, in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface):
        return self.properties


ASYNC = {"async_callbacks": ("done", "failed")}
TUNNEL = PREFIX + "Tunnel"
PEER = PREFIX + "Peer"


class Tunnel(Object):
    def __init__(self, broker, interface, **properties):
        base = dict(
            Interface=interface,
            Name="",
            Mode="psk",
            Held="wrapped",
            PublicKey="",
            Slot="",
            TouchPolicy="",
            Handle="",
            NextPublicKey="",
            NextHandle="",
            State="locked",
            Guarantee="What it gives.",
            ApprovalScope="tunnel",
            ApprovalLifetime=dbus.UInt64(8 * 3600),
            ApprovedUntil=dbus.UInt64(0),
            EndReason="",
            Problem="",
            Prompt="",
            PromptToken="",
            PromptDeadline=dbus.UInt64(0),
            PromptStep=dbus.UInt32(0),
            PromptSteps=dbus.UInt32(0),
            PromptRequester="",
            KeySlots=dbus.Array([], signature=broker.keyslot_signature),
        )
        base.update(properties)
        path = "%s/tunnel/%s" % (ROOT, "".join(c if c.isalnum() else "_%02x" % ord(c) for c in interface))
        self.pending = []
        self.peers = []
        super().__init__(broker, path, "Tunnel", base)

    def _answer(self, call, done, failed):
        self.broker.answer(call, done, failed)

    @dbus.service.method(TUNNEL, in_signature="a{sv}", out_signature="t", **ASYNC)
    def Approve(self, options, done, failed):
        self._answer(Call(self, "Approve", options), done, failed)

    @dbus.service.method(TUNNEL)
    def Cancel(self):
        self.broker.calls.append(Call(self, "Cancel", {}))
        pending, self.pending = self.pending, []
        self.set(Prompt="")
        for failed in pending:
            failed(Error("Cancelled", "Cancelled."))

    @dbus.service.method(TUNNEL, **ASYNC)
    def Revoke(self, done, failed):
        self._answer(Call(self, "Revoke", {}), done, failed)

    @dbus.service.method(TUNNEL, in_signature="a{sv}", out_signature="a{sv}", **ASYNC)
    def Enroll(self, options, done, failed):
        self._answer(Call(self, "Enroll", options), done, failed)

    @dbus.service.method(TUNNEL, in_signature="a{sv}", out_signature="a{sv}", **ASYNC)
    def Rekey(self, options, done, failed):
        self._answer(Call(self, "Rekey", options), done, failed)

    @dbus.service.method(TUNNEL, in_signature="a{sv}", **ASYNC)
    def CommitRekey(self, options, done, failed):
        self._answer(Call(self, "CommitRekey", options), done, failed)

    @dbus.service.method(TUNNEL, in_signature="a{sv}", out_signature="a{sv}", **ASYNC)
    def AddKeyslot(self, options, done, failed):
        self._answer(Call(self, "AddKeyslot", options), done, failed)

    @dbus.service.method(TUNNEL, in_signature="ua{sv}", **ASYNC)
    def RemoveKeyslot(self, slot, options, done, failed):
        self._answer(Call(self, "RemoveKeyslot", options, slot=int(slot)), done, failed)

    @dbus.service.method(TUNNEL, in_signature="a{sv}", out_signature="h", **ASYNC)
    def ExportKey(self, options, done, failed):
        self._answer(Call(self, "ExportKey", options), done, failed)

    @dbus.service.method(TUNNEL, **ASYNC)
    def ForgetKey(self, done, failed):
        self._answer(Call(self, "ForgetKey", {}), done, failed)


class Peer(Object):
    def __init__(self, broker, tunnel, key, **properties):
        import base64

        base = dict(PublicKey=key, Name="", State="locked", ApprovedUntil=dbus.UInt64(0), Requester="", EndReason="")
        base.update(properties)
        self.tunnel = tunnel
        tunnel.peers.append(self)
        super().__init__(broker, "%s/peer/%s" % (tunnel.path, base64.b64decode(key).hex()), "Peer", base)

    @dbus.service.method(PEER, in_signature="a{sv}", out_signature="t", **ASYNC)
    def Approve(self, options, done, failed):
        self.broker.answer(Call(self.tunnel, "Approve", options, peer=self), done, failed)

    @dbus.service.method(PEER)
    def Cancel(self):
        self.tunnel.Cancel()

    @dbus.service.method(PEER, **ASYNC)
    def Revoke(self, done, failed):
        self.broker.answer(Call(self.tunnel, "Revoke", {}, peer=self), done, failed)


class Token(Object):
    def __init__(self, broker, n, **properties):
        base = dict(
            Id="path-%d" % n,
            Name="YubiKey 5",
            Serial="",
            Capabilities=dbus.Array(["fido2", "hmac-secret"], signature="s"),
            PinState="none",
            PinTries=dbus.UInt32(0),
            Busy=False,
        )
        base.update(properties)
        super().__init__(broker, "%s/token/%d" % (ROOT, n), "Token", base)

    @dbus.service.method(PREFIX + "Token", out_signature="ua(ssubbss)", **ASYNC)
    def ListKeys(self, done, failed):
        self.broker.answer(Call(self, "ListKeys", {}), done, failed)


class Manager(Object):
    pending = []

    @dbus.service.method(MANAGER, out_signature="a{oa{sa{sv}}}")
    def GetManagedObjects(self):
        self.broker.objects_asked += 1
        if self.broker.objects_asked <= self.broker.objects_refused:
            raise dbus.DBusException("out of memory", name="org.freedesktop.DBus.Error.NoMemory")
        return {o.path: {o.interface: o.properties} for o in self.broker.objects}

    @dbus.service.signal(MANAGER, signature="oa{sa{sv}}")
    def InterfacesAdded(self, path, interfaces):
        pass

    @dbus.service.method(PREFIX + "Manager", out_signature="t")
    def Lease(self):
        return dbus.UInt64(2000000)

    @dbus.service.method(PREFIX + "Manager", out_signature="u", **ASYNC)
    def LockAll(self, done, failed):
        self.broker.answer(Call(None, "LockAll", {}), done, failed)

    @dbus.service.method(PREFIX + "Manager", **ASYNC)
    def Reload(self, done, failed):
        self.broker.answer(Call(None, "Reload", {}), done, failed)

    @dbus.service.method(PREFIX + "Manager", in_signature="sha{sv}", out_signature="a{sv}", **ASYNC)
    def ImportKey(self, iface, key, options, done, failed):
        with os.fdopen(key.take(), "rb") as f:
            data = f.read()
        tunnel = self.broker.tunnel(str(iface))
        self.broker.answer(Call(tunnel, "ImportKey", options, iface=str(iface), key=data), done, failed)


    @dbus.service.method(PREFIX + "Manager", in_signature="a{sv}", out_signature="ss", **ASYNC)
    def GenerateKey(self, options, done, failed):
        self.broker.answer(Call(self, "GenerateKey", options), done, failed)

    @dbus.service.method(PREFIX + "Manager", in_signature="ay", out_signature="s", **ASYNC)
    def FindKey(self, handle, done, failed):
        self.broker.answer(Call(self, "FindKey", {}, handle=bytes(handle)), done, failed)


class Broker:
    """On a thread of its own, so that the test can run the client and look at what came."""

    defaults = {
        "Approve": approve(),
        "Revoke": ok(),
        "LockAll": ok(dbus.UInt32(0)),
        "Reload": ok(),
        "ForgetKey": ok(),
        "RemoveKeyslot": ok(),
    }

    def __init__(self, address, keyslot_signature="(ussst)"):
        self.keyslot_signature = keyslot_signature
        self.answers = {}
        self.always = {}
        self.calls = []
        self.objects_asked = self.objects_refused = 0
        self.objects = []
        self.loop = GLib.MainLoop()
        dbus.mainloop.glib.threads_init()
        self.connection = dbus.bus.BusConnection(address, mainloop=dbus.mainloop.glib.DBusGMainLoop())
        self.manager = self.add(Manager, ROOT, "Manager", {
            "Version": "0.1-fake", "Prompt": "", "PromptToken": "", "PromptDeadline": dbus.UInt64(0), "PromptStep": dbus.UInt32(0),
            "PromptSteps": dbus.UInt32(0), "PromptRequester": ""})
        self.connection.request_name(NAME)
        self.thread = threading.Thread(target=self.loop.run, daemon=True)

    def start(self):
        self.thread.start()

    def add(self, kind, *arguments, **properties):
        o = kind(self, *arguments, **properties)
        self.objects.append(o)
        if len(self.objects) > 1:
            self.manager.InterfacesAdded(o.path, {o.interface: o.properties})
        return o

    def tunnel(self, interface):
        for o in self.objects:
            if isinstance(o, Tunnel) and o.properties["Interface"] == interface:
                return o
        return None

    def answer(self, call, done, failed):
        self.calls.append(call)
        lined_up = self.answers.get(call.method)
        answer = lined_up.pop(0) if lined_up else self.always.get(call.method) or self.defaults.get(call.method, fail("Failed", "not lined up"))
        answer(call, done, failed)

    def remove(self, o):
        self.objects.remove(o)
        o.remove_from_connection()

    def methods(self):
        return [c.method for c in self.calls]

    def close(self):
        # From within: before the thread has come to run() a quit() would be forgotten.
        GLib.idle_add(self.loop.quit)
        if self.thread.is_alive():
            self.thread.join()
        self.connection.close()
