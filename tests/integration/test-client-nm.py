#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`wgfido nm` against a NetworkManager and a broker in memory: nothing is lost, whenever it is interrupted, and what it says."""
import base64
import importlib
import os
import re
import shutil
import subprocess
import sys

from client_case import KEY, ClientCase, fake, unittest

import dbus

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fake_nm import NetworkManager  # noqa: E402

protect = importlib.import_module("test-client-protect")

SECRET, SECRET64, CODE = protect.SECRET, protect.SECRET64, protect.CODE
ZERO64 = base64.b64encode(bytes(32)).decode()
PSK64 = base64.b64encode(b"p" * 32).decode()
UUID = "dc8a4439-e4b5-4d70-ae4f-f7026c3ac7c4"
OTHER = "3371ca34-d6d2-4a32-b0a8-4c32789b6937"
A_PSK = "etc/wg0-41414141.psk"  # KEY["A"] is 32 times that byte


class NmCase(ClientCase):
    def setUp(self):
        super().setUp()
        self.keeper = protect.Keeper(self.start_broker(), self.where("etc"))
        self.nm = NetworkManager(self.broker)
        self.profile = self.fill()
        self.before = self.profile.whole()
        self.broker.start()

    def fill(self):
        return self.nm.wireguard("office", "wg0", UUID, SECRET64, [
            {"public-key": KEY["A"], "preshared-key": PSK64, "preshared-key-flags": dbus.UInt32(0), "endpoint": "192.0.2.2:51820",
             "allowed-ips": dbus.Array(["10.0.0.0/8"], signature="s"), "persistent-keepalive": dbus.UInt32(25)},
            {"public-key": KEY["B"]},
        ])

    def key(self):
        return str(self.profile.secrets.get("private-key", ""))

    def etc(self):
        return sorted(os.listdir(self.where("etc")))

    def nothing_said(self):
        for text in (SECRET64, PSK64):
            self.assertNotIn(text, self.out + self.err)


class Identity(NmCase):
    def test_round_trip(self):
        self.wgfido("nm", "setup", "office", "--identity", "--yes")
        self.nothing_said()
        self.assertIn("recovery code: %s\n" % CODE.decode(), self.out)
        self.assertIn("/etc/NetworkManager/system-connections", self.out)
        self.assertIn("nmcli connection up " + UUID, self.out)
        self.assertEqual(self.keeper.keys, {"wg0": SECRET})
        self.assertEqual(self.key(), ZERO64)
        self.assertIn(b"Mode = identity", self.read("etc/wg0.conf"))
        # All the rest as it was, its preshared key too.
        now = self.profile.whole()
        now["wireguard"]["private-key"] = SECRET64
        self.assertEqual(now, self.before)
        updates = self.nm.updates
        self.assertIn("protected already", self.wgfido("nm", "setup", "office"))
        self.assertEqual(self.nm.updates, updates)

        self.wgfido("nm", "undo", "office")
        self.nothing_said()
        self.assertEqual(self.profile.whole(), self.before)
        self.assertEqual((self.keeper.keys, self.etc()), ({}, []))
        self.assertIn("ExportKey", self.broker.methods())

    def test_import_fails(self):
        for name, status in (("TouchTimeout", 11), ("Cancelled", 12)):
            self.broker.answers["ImportKey"] = [fake.fail(name)]
            self.wgfido("nm", "setup", "office", "--identity", "--yes", status=status)
            self.assertEqual((self.profile.whole(), self.etc(), self.nm.updates), (self.before, [], 0))

    def test_wrong_key_wrapped(self):
        self.broker.answers["ImportKey"] = [lambda call, done, failed: self.keeper.wrap(call, bytes([5]) * 32, done)]
        self.wgfido("nm", "setup", "office", "--identity", "--yes", status=1)
        self.assertEqual(self.profile.whole(), self.before)

    def test_not_saved(self):
        for hook, words, status in ((self.nm.full, "No space left", 1), (self.nm.deny, "run this as root", 23)):
            self.nm.hooks["Update2"] = hook
            self.wgfido("nm", "setup", "office", "--identity", "--yes", status=status)
            self.assertIn(words, self.err)
            self.assertEqual((self.profile.whole(), self.keeper.keys), (self.before, {"wg0": SECRET}))
        del self.nm.hooks["Update2"]
        # One that says yes and does no is found out: the key would be in the profile for ever.
        self.nm.forgets = True
        self.wgfido("nm", "setup", "office", "--yes", status=1)
        self.assertIn("did not save", self.err)
        self.nm.forgets = False
        self.wgfido("nm", "setup", "office", "--yes")
        self.assertEqual((self.key(), self.keeper.keys), (ZERO64, {"wg0": SECRET}))
        # And on the way back: the key file stays until the profile has the key.
        self.nm.hooks["Update2"] = self.nm.full
        self.wgfido("nm", "undo", "office", status=1)
        self.assertEqual(self.keeper.keys, {"wg0": SECRET})
        del self.nm.hooks["Update2"]
        self.nm.forgets = True
        self.wgfido("nm", "undo", "office", status=1)
        self.assertEqual(self.keeper.keys, {"wg0": SECRET})
        self.nm.forgets = False
        self.wgfido("nm", "undo", "office")
        self.assertEqual((self.profile.whole(), self.keeper.keys), (self.before, {}))

    def test_changed_meanwhile(self):
        def edit(call, done, failed):
            self.profile.secrets["private-key"] = KEY["C"]
            self.keeper.wrap(call, call.key, done)

        self.broker.answers["ImportKey"] = [edit]
        self.wgfido("nm", "setup", "office", "--identity", "--yes", status=1)
        self.assertIn("changed meanwhile", self.err)
        self.assertEqual((self.key(), self.nm.updates), (KEY["C"], 0))
        # Now another key is held than the profile has: neither is thrown away.
        self.wgfido("nm", "setup", "office", "--yes", status=27)
        self.assertEqual((self.key(), self.keeper.keys), (KEY["C"], {"wg0": SECRET}))
        self.wgfido("nm", "undo", "office", status=27)
        self.assertEqual((self.key(), self.keeper.keys), (KEY["C"], {"wg0": SECRET}))

    def test_edited_elsewhere_is_kept(self):
        """What somebody changes in other settings while we wait for the touch is saved along."""
        def edit(call, done, failed):
            self.profile.settings["connection"]["autoconnect"] = dbus.Boolean(False)
            self.keeper.wrap(call, call.key, done)

        self.broker.answers["ImportKey"] = [edit]
        self.wgfido("nm", "setup", "office", "--identity", "--yes")
        self.assertEqual(self.profile.settings["connection"]["autoconnect"], False)
        self.assertEqual(self.key(), ZERO64)

    def test_no_second_way(self):
        self.wgfido("nm", "setup", "office", "--identity", status=1)
        self.assertIn("--no-recovery", self.err)
        self.assertEqual((self.broker.calls, self.etc()), ([], []))

    def test_undo_asks_for_a_touch(self):
        self.wgfido("nm", "setup", "office", "--identity", "--yes")
        self.broker.answers["ExportKey"] = [fake.fail("TouchTimeout")]
        self.wgfido("nm", "undo", "office", status=11)
        self.broker.answers["ExportKey"] = [lambda call, done, failed: done(fake.pipe_with(bytes([5]) * 32))]
        self.wgfido("nm", "undo", "office", status=1)
        self.assertEqual((self.key(), self.keeper.keys), (ZERO64, {"wg0": SECRET}))


class Psk(NmCase):
    def test_round_trip(self):
        self.wgfido("nm", "setup", "office", "--psk")
        self.nothing_said()
        self.assertIn("wgfido enroll wg0", self.out)
        self.assertIn("the other end's [Peer]", self.out)
        self.assertEqual(self.etc(), [os.path.basename(A_PSK), "wg0.conf"])
        self.assertEqual(self.read(A_PSK), PSK64.encode() + b"\n")
        self.assertEqual(os.stat(self.where(A_PSK)).st_mode & 0o137, 0)
        conf = self.read("etc/wg0.conf").decode()
        self.assertIn("Mode = psk\nPublicKey = %s\n" % protect.public(SECRET), conf)
        self.assertIn("[Peer]\nPublicKey = %s\nPresharedKeyFile = %s\n\n[Peer]\nPublicKey = %s\n" %
                      (KEY["A"], self.where(A_PSK), KEY["B"]), conf)
        self.assertEqual((self.key(), self.profile.secrets["peers"]), (SECRET64, {}))
        peers = self.profile.settings["wireguard"]["peers"]
        self.assertEqual(peers[0]["preshared-key-flags"], 4)
        self.assertEqual(peers[0]["endpoint"], "192.0.2.2:51820")
        updates = self.nm.updates
        self.assertIn("fits", self.wgfido("nm", "setup", "office"))
        self.assertEqual(self.nm.updates, updates)

        self.wgfido("nm", "undo", "office")
        self.nothing_said()
        self.assertEqual((self.profile.whole(), self.etc()), (self.before, []))
        self.assertIn("nothing to do with", self.wgfido("nm", "undo", "office"))

    def test_own_configuration(self):
        """Only guarded peers lose their preshared key, and what the admin wrote stays."""
        text = "[Interface]\nMode = psk\nPublicKey = %s\n[Peer]\nPublicKey = %s\n" % (protect.public(SECRET), KEY["B"])
        self.write("etc/wg0.conf", text)
        self.wgfido("nm", "setup", "office")
        self.assertIn("is not guarded", self.err)
        self.assertEqual((self.read("etc/wg0.conf").decode(), self.profile.whole()), (text, self.before))
        self.write("etc/wg0.conf", text.replace(KEY["B"], KEY["A"]))
        self.wgfido("nm", "setup", "office")
        self.assertIn("add PresharedKeyFile = " + self.where(A_PSK), self.err)
        self.assertEqual(self.profile.secrets["peers"], {})
        self.write("etc/wg0.conf", text.replace(protect.public(SECRET), KEY["C"]))
        self.wgfido("nm", "setup", "office", status=24)
        self.assertIn("PublicKey", self.err)

    def test_not_saved(self):
        self.nm.hooks["Update2"] = self.nm.full
        self.wgfido("nm", "setup", "office", "--psk", status=1)
        self.assertEqual(self.profile.whole(), self.before)
        del self.nm.hooks["Update2"]
        self.wgfido("nm", "setup", "office")
        self.assertEqual(self.profile.secrets["peers"], {})
        self.nm.forgets = True
        self.wgfido("nm", "undo", "office", status=1)
        self.assertEqual(self.read(A_PSK), PSK64.encode() + b"\n")

    def test_another_file_is_there(self):
        self.write(A_PSK, KEY["C"])
        os.chmod(self.where(A_PSK), 0o600)
        self.wgfido("nm", "setup", "office", "--psk", status=27)
        self.assertEqual((self.profile.whole(), self.etc()), (self.before, [os.path.basename(A_PSK)]))
        self.assertEqual(self.read(A_PSK), KEY["C"].encode())

    def test_newer_preshared_key_stays(self):
        self.wgfido("nm", "setup", "office", "--psk")
        self.profile.secrets["peers"][KEY["A"]] = KEY["C"]
        self.wgfido("nm", "undo", "office")
        self.assertIn("another preshared key", self.err)
        self.assertEqual(self.profile.secrets["peers"], {KEY["A"]: KEY["C"]})

    def test_without_a_broker(self):
        self.broker.connection.release_name("org.wgfido1")
        self.wgfido("nm", "setup", "office", "--psk")
        self.assertEqual(self.profile.secrets["peers"], {})
        self.wgfido("nm", "undo", "office")
        self.assertEqual((self.profile.whole(), self.etc()), (self.before, []))


class Which(NmCase):
    def refuse(self, words, *argv, status=24):
        self.wgfido("nm", *argv, status=status)
        self.assertIn(words, self.err)
        self.assertEqual(self.err.count("\n"), 1, self.err)
        self.assertEqual((self.profile.whole(), self.etc(), self.nm.updates), (self.before, [], 0))

    def test_names(self):
        again = self.nm.wireguard("office", "wg1", OTHER, KEY["C"], [{"public-key": KEY["A"]}])
        self.refuse("say which one by its UUID (%s: for all users, interface wg0, named \"office\"; %s: for all users, interface wg1, "
                    "named \"office\")" % (UUID, OTHER), "setup", "office", "--psk")
        self.wgfido("nm", "setup", OTHER, "--psk")
        self.wgfido("nm", "undo", "wg1")
        self.assertEqual(str(again.secrets["private-key"]), KEY["C"])

    def test_refusals(self):
        self.nm.add({"connection": dbus.Dictionary({"id": "home", "uuid": OTHER, "type": "802-11-wireless"}, signature="sv")})
        self.refuse("no WireGuard connection, its type is 802-11-wireless", "setup", "home", "--psk")
        self.refuse("has no connection \"nothing\"", "setup", "nothing", "--psk")
        self.refuse("has no connection \"nothing\"", "undo", "nothing")
        self.refuse("Say how office is to be locked", "setup", "office")
        self.refuse("Say which connection", "setup", status=2)
        self.refuse("setup or undo", "look", "office", status=2)
        self.refuse("either", "setup", "office", "--psk", "--identity", status=2)

    def test_unfit(self):
        for words, interface, key, peers, more in (
            ("has no interface name", "", SECRET64, [{"public-key": KEY["A"]}], {}),
            ("has no peer", "wg3", SECRET64, [], {}),
            ("does not store its private key", "wg4", None, [{"public-key": KEY["A"]}], {}),
            ("does not store its private key", "wg5", SECRET64, [{"public-key": KEY["A"]}], {"private-key-flags": dbus.UInt32(1)}),
            ("wgfido holds it", "wg6", ZERO64, [{"public-key": KEY["A"]}], {}),
        ):
            self.nm.wireguard("unfit", interface, OTHER, key, peers, **more)
            self.refuse(words, "setup", "unfit", "--psk")
            self.nm.profiles.pop().remove_from_connection()

    def test_not_allowed(self):
        self.nm.hooks["GetSecrets"] = self.nm.deny
        for verb in ("setup", "undo"):
            self.refuse("run this as root", verb, "office", *(["--psk"] if verb == "setup" else []), status=23)

    def test_no_networkmanager(self):
        self.broker.connection.release_name("org.freedesktop.NetworkManager")
        self.refuse("NetworkManager is not running", "setup", "office", "--psk", status=1)

    def test_no_broker(self):
        self.broker.connection.release_name("org.wgfido1")
        self.refuse("broker is not running", "setup", "office", "--identity", "--yes", status=1)

    def test_hostile_words(self):
        self.nm.wireguard("evil\x1b[2J", "wg3", OTHER, SECRET64, [], **{})
        self.wgfido("nm", "setup", "wg3", "--psk", status=24)
        self.assertNotIn("\x1b", self.err)


class Mallory(NmCase):
    """Any user may add profiles of their own, with a name and an interface of their choice, and read the keys in them."""

    def add(self, name="wg0", interface="wg0", private_key=ZERO64, uuid=OTHER):
        theirs = self.nm.wireguard(name, interface, uuid, private_key, [{"public-key": KEY["A"]}])
        theirs.settings["connection"]["permissions"] = dbus.Array(["user:mallory:"], signature="s")
        return theirs

    def refuse(self, words, *argv, status=24):
        saved = self.nm.updates, len(self.broker.methods()), self.etc()
        self.wgfido("nm", *argv, status=status)
        self.assertIn(words, self.err)
        self.assertEqual(saved, (self.nm.updates, len(self.broker.methods()), self.etc()))

    def test_identity_goes_back_where_it_was(self):
        self.wgfido("nm", "setup", "office", "--identity", "--yes")
        self.assertIn("NetworkManager = %s\n" % UUID, self.read("etc/wg0.conf").decode())
        theirs = self.add()
        self.refuse("%s: for all users, interface wg0, named \"office\"; %s: of the user mallory, interface wg0, named \"wg0\"" % (UUID, OTHER),
                    "undo", "wg0")
        self.refuse("wg0.conf is for the connection " + UUID, "undo", OTHER)
        self.refuse("wg0.conf is for the connection " + UUID, "setup", OTHER)
        # With the name alone, too, and with one that reads like an entry of the list.
        theirs.settings["connection"]["id"] = "w\"; %s: for all users, interface wg0, named \"wg0" % OTHER
        self.refuse("named \"w??", "undo", "wg0")
        theirs.settings["connection"]["id"] = "home"
        self.refuse("the user mallory's own: only by its UUID " + OTHER, "undo", "home")
        self.refuse("the user mallory's own", "setup", "home", "--identity")
        # An administrator's other one for the same interface is not the one either.
        theirs.settings["connection"]["permissions"] = dbus.Array([], signature="s")
        self.refuse("wg0.conf is for the connection " + UUID, "undo", "home")
        self.assertEqual((str(theirs.secrets["private-key"]), self.keeper.keys), (ZERO64, {"wg0": SECRET}))
        self.wgfido("nm", "undo", UUID)
        self.assertEqual((self.profile.whole(), self.keeper.keys, self.etc()), (self.before, {}, []))

    def test_psk_goes_back_where_it_was(self):
        self.wgfido("nm", "setup", "office", "--psk")
        theirs = self.add(private_key=KEY["C"])
        self.refuse("say which one by its UUID", "undo", "wg0")
        self.refuse("wg0.conf is for the connection " + UUID, "undo", OTHER)
        self.assertEqual(theirs.secrets["peers"], {})
        self.wgfido("nm", "undo", "office")
        self.assertEqual((self.profile.whole(), self.etc()), (self.before, []))

    def test_without_a_record(self):
        """A configuration that the admin wrote, or none: no user's own profile gets anything."""
        conf = "[Interface]\nMode = identity\n"
        self.write("etc/wg0.conf", conf)
        self.wgfido("nm", "setup", "office", "--yes")
        self.assertIn("add NetworkManager = %s to its [Interface]" % UUID, self.err)
        self.assertEqual(self.read("etc/wg0.conf").decode(), conf)
        theirs = self.add()
        self.refuse("it gets no keys", "undo", OTHER)
        os.rename(self.where("etc/wg0.conf"), self.where("etc/old"))
        self.refuse("it gets no keys", "undo", OTHER)
        self.assertEqual((str(theirs.secrets["private-key"]), self.keeper.keys), (ZERO64, {"wg0": SECRET}))
        os.rename(self.where("etc/old"), self.where("etc/wg0.conf"))
        self.wgfido("nm", "undo", "office")
        self.assertEqual((self.key(), self.keeper.keys), (SECRET64, {}))

    def test_a_record_is_added(self):
        self.wgfido("nm", "setup", "office", "--identity", "--yes")
        ours = self.read("etc/wg0.conf").decode()
        self.assertIn(UUID, ours)
        self.write("etc/wg0.conf", ours.replace("NetworkManager = %s\n" % UUID, ""))
        self.wgfido("nm", "setup", "office", "--yes")
        self.assertEqual(self.read("etc/wg0.conf").decode(), ours.replace("Mode = identity\nNetworkManager = %s\n" % UUID,
                                                                          "NetworkManager = %s\nMode = identity\n" % UUID))

    def test_failing_adds_no_record(self):
        self.wgfido("nm", "setup", "office", "--identity", "--yes")
        ours = self.read("etc/wg0.conf").decode()
        self.wgfido("nm", "undo", "office")
        self.write("etc/wg0.conf", ours.replace("NetworkManager = %s\n" % UUID, ""))
        before = self.read("etc/wg0.conf")
        self.broker.answers["ImportKey"] = [fake.fail("TouchTimeout")]
        self.wgfido("nm", "setup", "office", "--yes", status=11)
        self.assertEqual(self.read("etc/wg0.conf"), before)

    def test_changes_hands_meanwhile(self):
        self.wgfido("nm", "setup", "office", "--identity", "--yes")

        def hand_over(call, done, failed):
            self.profile.settings["connection"]["permissions"] = dbus.Array(["user:mallory:"], signature="s")
            done(fake.pipe_with(SECRET))

        self.broker.answers["ExportKey"] = [hand_over]
        self.wgfido("nm", "undo", "office", status=1)
        self.assertIn("changed meanwhile", self.err)
        self.assertEqual((self.key(), self.keeper.keys), (ZERO64, {"wg0": SECRET}))

    def test_their_own_by_uuid(self):
        """Whoever means it may: and is told whose it is, before the touch."""
        theirs = self.add("mine", "wg1", SECRET64)
        for words in (("setup", OTHER, "--identity", "--yes"), ("undo", OTHER)):
            self.wgfido("nm", *words)
            self.assertIn("The connection mine is the user mallory's own, who may read the keys in it", self.err)
        self.assertEqual(str(theirs.secrets["private-key"]), SECRET64)

    def test_doctor(self):
        self.wgfido("nm", "setup", "office", "--identity", "--yes")
        self.add(private_key=KEY["C"])
        asked = []
        self.nm.hooks["GetSecrets"] = lambda profile: asked.append(profile)
        self.wgfido("doctor", status=None)
        self.assertIn("the user mallory has a connection of their own for this interface, \"wg0\" (%s), which was not looked at" % OTHER, self.out)
        self.assertIn("wg0 goes with NetworkManager's connection office", self.out)
        self.assertNotIn("nm setup", self.out)
        self.assertLessEqual(set(asked), {self.profile})
        self.nm.profiles[-1].settings["connection"]["permissions"] = dbus.Array([], signature="s")
        self.wgfido("doctor", status=None)
        self.assertIn("is for this interface too, and not the one that was set up", self.out)
        self.assertNotIn("nm setup", self.out)

    def test_secrets_come_last(self):
        """What is appended behind a secret may move it, and leave a copy."""
        seen = []
        self.nm.sees = seen.append
        self.wgfido("nm", "setup", "office", "--identity", "--yes")
        self.wgfido("nm", "undo", "office")
        self.assertEqual([list(s)[-1] for s in seen], ["wireguard"] * 2)
        self.assertEqual([list(s["wireguard"])[-2:] for s in seen], [["peers", "private-key"]] * 2)


class Doctor(NmCase):
    def setUp(self):
        super().setUp()
        self.env["WGFIDO_ROOT"] = self.where("root")
        os.makedirs(self.where("root/etc/NetworkManager/dispatcher.d"))

    def doctor(self):
        self.wgfido("doctor", status=None)
        return self.out

    def test_profile(self):
        self.assertNotIn("NetworkManager", self.doctor())
        self.write("etc/wg0.conf", "[Interface]\nMode = identity\n")
        if os.geteuid() == 0:
            self.assertIn("wg0: NetworkManager's connection office still has the private key", self.doctor())
            self.assertIn("wgfido nm setup " + UUID, self.out)
        else:
            self.assertIn("was not checked; run this as root", self.doctor())
        self.nothing_said()
        os.unlink(self.where("etc/wg0.conf"))
        self.wgfido("nm", "setup", "office", "--identity", "--yes")
        self.assertIn("wg0 goes with NetworkManager's connection office", self.doctor())
        self.nm.hooks["GetSettings"] = self.nm.hooks["GetSecrets"] = self.nm.deny
        self.assertNotIn("connection office", self.doctor())

    def test_flags(self):
        self.wgfido("nm", "setup", "office", "--psk")
        self.profile.settings["wireguard"]["peers"][0]["preshared-key-flags"] = dbus.UInt32(1)
        self.assertIn("asks for a preshared key", self.doctor())

    def test_preshared_key_file(self):
        """What doctor tells to do leaves the broker, which is its group, its access."""
        self.wgfido("nm", "setup", "office", "--psk")
        os.chmod(self.where(A_PSK), 0o644)
        self.assertIn("others may read " + self.where(A_PSK), self.doctor())
        mend = re.search("-> (chmod .*%s)$" % os.path.basename(A_PSK), self.out, re.M).group(1)
        subprocess.run(["sh", "-c", mend], check=True)
        self.assertEqual(os.stat(self.where(A_PSK)).st_mode & 0o777, 0o640)

    def test_script(self):
        script = "root/etc/NetworkManager/dispatcher.d/90-wgfido"
        self.write("etc/wg0.conf", "[Interface]\nMode = identity\n")
        self.assertIn("dispatcher script", self.doctor())
        self.assertIn("is not there", self.out)
        self.write(script, "#!/bin/sh\n")
        os.chmod(self.where(script), 0o644)
        self.assertIn("no executable file", self.doctor())
        os.chmod(self.where(script), 0o777)
        self.assertIn("others than root may change it", self.doctor())
        os.chmod(self.where(script), 0o755)
        self.assertIn("NetworkManager runs" if os.geteuid() == 0 else "others than root", self.doctor())

    def test_no_networkmanager(self):
        self.write("etc/wg0.conf", "[Interface]\nMode = identity\n")
        self.broker.connection.release_name("org.freedesktop.NetworkManager")
        self.assertNotIn("NetworkManager", self.doctor())


class Killed(NmCase):
    """Killed before each step that changes something, then run again."""

    setUpClass = classmethod(protect.Killed.setUpClass.__func__)
    tearDownClass = classmethod(protect.Killed.tearDownClass.__func__)
    run_killed = protect.Killed.run_killed

    def through(self, prepare, argv, look, then):
        seen = set()
        for n in range(1, 200):
            self.keeper.keys.clear()
            self.keeper.slots = []
            shutil.rmtree(self.where("etc"))
            os.mkdir(self.where("etc"))
            self.profile.settings, self.profile.secrets = self.nm.split(self.before)
            self.keeper.reload(None, lambda: None, None)
            prepare()
            finished = self.run_killed(n, *argv)
            seen.add(look())
            if finished:
                self.assertGreater(n, 8)
                return seen
            then()
        return self.fail("it never comes to its end")

    def identity_is_somewhere(self):
        in_profile, held = self.key() == SECRET64, self.keeper.keys.get("wg0") == SECRET
        self.assertTrue(in_profile or held)
        self.assertIn(self.key(), (SECRET64, ZERO64))
        return in_profile, held

    def psk_is_somewhere(self):
        in_profile = self.profile.secrets["peers"] == {KEY["A"]: PSK64}
        in_file = os.path.exists(self.where(A_PSK)) and self.read(A_PSK) == PSK64.encode() + b"\n"
        self.assertTrue(in_profile or in_file)
        self.assertEqual(self.key(), SECRET64)
        return in_profile, in_file

    def undone(self):
        self.assertEqual((self.profile.whole(), self.keeper.keys), (self.before, {}))
        self.assertEqual([name for name in self.etc() if not name.startswith(".")], [])

    def test_identity_setup(self):
        def again():
            self.wgfido("nm", "setup", "office", "--identity", "--yes")
            self.assertEqual(self.identity_is_somewhere(), (False, True))
            self.wgfido("nm", "undo", "office")
            self.undone()

        seen = self.through(lambda: None, ["nm", "setup", "office", "--identity", "--yes"], self.identity_is_somewhere, again)
        self.assertEqual(seen, {(True, False), (True, True), (False, True)})

    def test_identity_undo(self):
        def again():
            self.wgfido("nm", "undo", "office")
            self.undone()

        seen = self.through(lambda: self.wgfido("nm", "setup", "office", "--identity", "--yes"), ["nm", "undo", "office"],
                            self.identity_is_somewhere, again)
        self.assertEqual(seen, {(False, True), (True, True), (True, False)})

    def test_psk_setup(self):
        def again():
            self.wgfido("nm", "setup", "office", "--psk")
            self.assertEqual(self.psk_is_somewhere(), (False, True))
            self.wgfido("nm", "undo", "office")
            self.undone()

        seen = self.through(lambda: None, ["nm", "setup", "office", "--psk"], self.psk_is_somewhere, again)
        self.assertEqual(seen, {(True, False), (True, True), (False, True)})

    def test_psk_undo(self):
        def again():
            self.wgfido("nm", "undo", "office")
            self.undone()

        seen = self.through(lambda: self.wgfido("nm", "setup", "office", "--psk"), ["nm", "undo", "office"], self.psk_is_somewhere, again)
        self.assertEqual(seen, {(False, True), (True, True), (True, False)})


if __name__ == "__main__":
    unittest.main()
