# SPDX-License-Identifier: GPL-2.0-or-later
"""NetworkManager's Settings interface with profiles in memory, as NetworkManager 1.42 was seen to behave: settings and secrets apart, a
private key must be there and never be "not required", and an update without any secret keeps the old ones."""
import base64

import dbus
import dbus.service

NAME = "org.freedesktop.NetworkManager"
SETTINGS = NAME + ".Settings"
CONNECTION = SETTINGS + ".Connection"
PATH = "/org/freedesktop/NetworkManager/Settings"


class Error(dbus.DBusException):
    def __init__(self, name, message):
        super().__init__(message)
        self._dbus_error_name = NAME + "." + name


def clone(value):
    """A deep copy that keeps the D-Bus types, which copy.deepcopy loses."""
    if isinstance(value, dict):
        return dbus.Dictionary({k: clone(v) for k, v in value.items()}, signature=getattr(value, "signature", None) or "sv")
    if isinstance(value, list):
        return dbus.Array([clone(v) for v in value], signature=getattr(value, "signature", None) or "v")
    return value


class Profile(dbus.service.Object):
    def __init__(self, nm, settings):
        self.nm = nm
        self.path = "%s/%d" % (PATH, len(nm.profiles) + 1)
        self.settings, self.secrets = nm.split(settings)
        super().__init__(nm.connection, self.path)

    def whole(self):
        """Everything in one dict, for tests to compare."""
        both = clone(self.settings)
        wireguard = both.get("wireguard", {})
        if "private-key" in self.secrets:
            wireguard["private-key"] = self.secrets["private-key"]
        for peer in wireguard.get("peers", []):
            if str(peer["public-key"]) in self.secrets["peers"]:
                peer["preshared-key"] = self.secrets["peers"][str(peer["public-key"])]
        return both

    @dbus.service.method(CONNECTION, out_signature="a{sa{sv}}")
    def GetSettings(self):
        self.nm.act("GetSettings", self)
        return self.settings

    @dbus.service.method(CONNECTION, in_signature="s", out_signature="a{sa{sv}}")
    def GetSecrets(self, name):
        self.nm.act("GetSecrets", self)
        if name != "wireguard" or "wireguard" not in self.settings:
            raise Error("Settings.InvalidSetting", "Connection didn't have requested setting")
        peers = [{"public-key": key, "preshared-key": psk} for key, psk in self.secrets["peers"].items()]
        wireguard = {"peers": dbus.Array(peers, signature="a{sv}")} if peers else {}
        if "private-key" in self.secrets:
            wireguard["private-key"] = self.secrets["private-key"]
        return {"connection": dbus.Dictionary({}, signature="sv"), "wireguard": dbus.Dictionary(wireguard, signature="sv")}

    @dbus.service.method(CONNECTION, in_signature="a{sa{sv}}ua{sv}", out_signature="a{sv}")
    def Update2(self, settings, flags, arguments):
        self.nm.act("Update2", self)
        self.nm.sees(settings)
        assert flags == 1 and not arguments, "to disk"
        settings, secrets = self.nm.split(settings)
        if not secrets["peers"] and "private-key" not in secrets:
            secrets = self.secrets
        wireguard = settings["wireguard"]
        if wireguard.get("private-key-flags", 0) & 4:
            raise Error("Settings.InvalidConnection", "wireguard.private-key-flags: secret flags must not be \"not-required\"")
        if len(base64.b64decode(secrets.get("private-key", ""))) != 32:
            raise Error("Settings.InvalidConnection", "wireguard.private-key: key must be 32 bytes base64 encoded")
        self.nm.updates += 1
        if not self.nm.forgets:
            self.settings, self.secrets = settings, secrets
        self.nm.act("saved", self)
        return {}


class Manager(dbus.service.Object):
    def __init__(self, nm):
        self.nm = nm
        super().__init__(nm.connection, PATH)

    @dbus.service.method(SETTINGS, out_signature="ao")
    def ListConnections(self):
        return dbus.Array([p.path for p in self.nm.profiles], signature="o")


class NetworkManager:
    """On the fake broker's connection and thread."""

    def __init__(self, broker):
        self.connection = broker.connection
        self.profiles = []
        self.updates = 0
        self.forgets = False  # says that it saved, and did not
        self.sees = lambda settings: None  # what an update brings
        self.hooks = {}  # method: called with the profile before it answers; may raise
        self.manager = Manager(self)
        self.connection.request_name(NAME)

    def act(self, method, profile):
        if method in self.hooks:
            self.hooks[method](profile)

    def deny(self, profile):
        raise Error("Settings.PermissionDenied", "Insufficient privileges")

    def full(self, profile):
        raise Error("Settings.Failed", "failed to update connection: cannot write file: No space left on device")

    @staticmethod
    def split(settings):
        settings = clone(settings)
        secrets = {"peers": {}}
        wireguard = settings.get("wireguard", {})
        if "private-key" in wireguard:
            secrets["private-key"] = wireguard.pop("private-key")
        for peer in wireguard.get("peers", []):
            if "preshared-key" in peer:
                secrets["peers"][str(peer["public-key"])] = peer.pop("preshared-key")
        return settings, secrets

    def wireguard(self, name, interface, uuid, private_key, peers, **more):
        """peers: [{"public-key": ...}]"""
        settings = {
            "connection": dbus.Dictionary({"id": name, "uuid": uuid, "type": "wireguard", "interface-name": interface,
                                           "permissions": dbus.Array([], signature="s"), "timestamp": dbus.UInt64(7)}, signature="sv"),
            "wireguard": dbus.Dictionary({"peers": dbus.Array([dbus.Dictionary(p, signature="sv") for p in peers], signature="a{sv}"),
                                          "fwmark": dbus.UInt32(51), **more}, signature="sv"),
            "ipv4": dbus.Dictionary({"method": "manual", "address-data": dbus.Array(
                [dbus.Dictionary({"address": "10.7.0.1", "prefix": dbus.UInt32(32)}, signature="sv")], signature="a{sv}"),
                "addresses": dbus.Array([dbus.Array([dbus.UInt32(16779018)], signature="u")], signature="au")}, signature="sv"),
            "proxy": dbus.Dictionary({}, signature="sv"),
        }
        if private_key:
            settings["wireguard"]["private-key"] = private_key
        return self.add(settings)

    def add(self, settings):
        self.profiles.append(Profile(self, dbus.Dictionary(settings, signature="sa{sv}")))
        return self.profiles[-1]
