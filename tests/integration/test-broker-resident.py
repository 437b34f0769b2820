#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys that never leave their token, on the bus, with the real worker and a software token: enrolling, approving, rekeying,
DiffieHellman, and callers who try it out."""
import base64
import hashlib
import os
import statistics
import struct
import sys
import time

import dbus

from broker_case import MANAGER, OTHER_UID, PEER, ROOT, TOKEN, TUNNEL, BrokerCase, Call, key, read_pipe, subprocess, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors"))
from schedule import x25519  # noqa: E402, the independent one

BASE = bytes([9]) + bytes(31)


def blake2s(data, key=b"", size=32):
    return hashlib.blake2s(data, key=key, digest_size=size).digest()


def with_mac1(body, receiver):
    return body + blake2s(body, blake2s(b"mac1----" + receiver), 16) + bytes(16)


def initiation(point, receiver):
    return with_mac1(struct.pack("<I", 1) + os.urandom(4) + point + os.urandom(48 + 28), receiver)


def response(point, receiver):
    return with_mac1(struct.pack("<I", 2) + os.urandom(8) + point + os.urandom(16), receiver)


CALLER = '''import sys, dbus, dbus.bus
proxy = dbus.bus.BusConnection(sys.argv[1]).get_object("org.wgfido1", sys.argv[2], introspect=False)
proxy.get_dbus_method("DiffieHellman", "org.wgfido1.Tunnel")(
    dbus.ByteArray(bytes.fromhex(sys.argv[3])), dbus.Dictionary({"role": "static"}, signature="sv"), timeout=120)
'''


class ResidentCase(BrokerCase):
    def setUp(self):
        super().setUp()
        # Peers whose private keys are known.
        self.secret = {letter: hashlib.sha256(letter.encode()).digest() for letter in "AB"}
        self.public = {letter: x25519(s, BASE) for letter, s in self.secret.items()}

    def identity(self, ifname="wg0", peers="A", extra=""):
        text = "[Interface]\nMode = identity\n" + extra
        for p in peers:
            text += "[Peer]\nPublicKey = %s\n" % base64.b64encode(self.public[p]).decode()
        with open(os.path.join(self.etc, ifname + ".conf"), "w", encoding="utf-8") as f:
            f.write(text)

    def enroll_resident(self, ifname="wg0", **options):
        return self.call(self.tunnel(ifname), TUNNEL, "Enroll", self.options(resident=True, **options))

    def own(self, ifname="wg0", name="PublicKey"):
        return base64.b64decode(str(self.get(self.tunnel(ifname), TUNNEL, name)))

    @staticmethod
    def dh_arguments(point, role, **options):
        values = dbus.Dictionary({"role": role}, signature="sv")
        for name, value in options.items():
            values[name] = dbus.ByteArray(value) if isinstance(value, bytes) else value
        return dbus.ByteArray(point), values

    def begin_dh(self, point, role, ifname="wg0", **options):
        return self.begin(self.tunnel(ifname), TUNNEL, "DiffieHellman", *self.dh_arguments(point, role, **options))

    def dh(self, point, role, ifname="wg0", **options):
        return read_pipe(self.begin_dh(point, role, ifname, **options).finish())

    def ready(self, touch="auto", **options):
        self.identity(peers="AB")
        self.start_broker()
        token = self.token(touch=touch)
        self.enroll_resident(**options)
        self.approve()
        return token


class Enrolling(ResidentCase):
    def test_identity(self):
        self.identity()
        self.start_broker()
        self.token()
        result = self.enroll_resident()
        self.assertEqual(set(result), {"public-key", "handle", "slot"})
        self.assertEqual(result["slot"], "ctaphid:0")
        self.assertTrue(result["handle"].startswith("wgfido/resident/"))
        get = {n: str(self.get(self.tunnel(), TUNNEL, n)) for n in
               ("Held", "PublicKey", "Handle", "Slot", "TouchPolicy", "NextPublicKey", "State", "Guarantee")}
        self.assertEqual(get["Held"], "resident")
        self.assertEqual((get["PublicKey"], get["Handle"]), (result["public-key"], result["handle"]))
        self.assertEqual((get["Slot"], get["TouchPolicy"], get["NextPublicKey"]), ("ctaphid:0", "never", ""))
        self.assertIn("never the key", get["Guarantee"])
        self.assertFalse(self.get(self.tunnel(), TUNNEL, "KeySlots"))
        self.approve()
        self.assertEqual(self.tunnel_state(), "approved")
        for method in ("AddKeyslot", "ExportKey"):
            self.assertRefused("Unsupported", self.call, self.tunnel(), TUNNEL, method, self.options())
        self.assertRefused("Unsupported", self.call, self.tunnel(), TUNNEL, "RemoveKeyslot", dbus.UInt32(1), self.options())
        self.assertRefused("Unsupported", self.call, self.tunnel(), TUNNEL, "GetPrivateKey")
        # Nothing that was not there before the first pairing, and nothing for others to read.
        for path in ("host.key", os.path.join("keys", "wg0.key")):
            self.assertEqual(os.stat(os.path.join(self.state, path)).st_mode & 0o777, 0o600)
        self.assertEqual(len(os.listdir(os.path.join(self.state, "pairings"))), 1)

    def test_after_a_restart(self):
        token = self.ready()
        before = self.own()
        self.assertEqual(self.stop_broker(), 0)
        token.unplug(wait=False)
        self.start_broker()
        token.plug()
        self.assertEqual(self.own(), before)
        self.approve()
        self.dh(self.public["A"], "static")

    def test_psk(self):
        self.config(peers="AB")
        with open(os.path.join(self.etc, "wg0.conf"), encoding="utf-8") as f:
            text = f.read()
        for p in "AB":
            text = text.replace(key(p), base64.b64encode(self.public[p]).decode())
        with open(os.path.join(self.etc, "wg0.conf"), "w", encoding="utf-8") as f:
            f.write(text)
        self.start_broker()
        token = self.token()
        self.enroll_resident()
        self.approve()
        path = self.tunnel() + "/peer/" + self.public["B"].hex()
        psk, start, _ = self.call(path, PEER, "GetPsk", self.options())
        # As the other end computes it: from its own private key and the token key's public one.
        shared = x25519(self.secret["B"], self.own())
        root = hashlib.blake2b(b"wgfido psk v1" + self.own() + bytes([ord("C")]) * 32 + self.public["B"], key=shared,
                               digest_size=32).digest()

        def kdf(k, i, context):
            return hashlib.blake2b(b"", key=k, salt=struct.pack("<Q", i) + bytes(8), person=context + bytes(8),
                                   digest_size=32).digest()
        chain = kdf(kdf(root, int(start) // 3600, b"wgfEpoch"), 0, b"wgfChain")
        for _ in range(int(start) % 3600 // 120):
            chain = kdf(chain, 1, b"wgfChain")
        self.assertEqual(read_pipe(psk), kdf(chain, 2, b"wgfChain"))
        # The token is needed at approval only, but its removal ends that.
        token.unplug()
        self.assertEqual(self.tunnel_state(), "locked")
        self.assertEqual(str(self.get(self.tunnel(), TUNNEL, "EndReason")), "token-removed")

    def test_refused_options(self):
        self.identity()
        self.start_broker()
        self.token()
        for options in ({"recovery": True}, {"uv": "pin"}, {"slot": "ctaphid:99"}, {"slot": "piv:9c"}, {"touch": "often"}):
            self.assertRefused("InvalidArgument", self.enroll_resident, **options)
        for options in ({"slot": "ctaphid:1"}, {"touch": "never"}):
            self.assertRefused("InvalidArgument", self.call, self.tunnel(), TUNNEL, "Enroll", self.options(**options))
        self.assertEqual(str(self.get(self.tunnel(), TUNNEL, "Held")), "none")

    def test_touches_are_announced(self):
        self.identity()
        self.start_broker()
        token = self.token(touch="manual")
        call = self.begin(self.tunnel(), TUNNEL, "Enroll", self.options(resident=True, touch="always"))
        for step, prompt in enumerate(("touch-pair", "touch", "touch"), 1):
            self.wait_for(lambda p=prompt, s=step: (str(self.get(self.tunnel(), TUNNEL, "Prompt")),
                                                    int(self.get(self.tunnel(), TUNNEL, "PromptStep"))) == (p, s), prompt)
            self.assertEqual(int(self.get(self.tunnel(), TUNNEL, "PromptSteps")), 3)
            self.assertEqual(str(self.get(self.tunnel(), TUNNEL, "PromptToken")), "Software token blue")
            token.touch()
        self.assertEqual(call.finish()["slot"], "ctaphid:0")

    def test_generate_adopt_find(self):
        self.identity()
        self.start_broker()
        token = self.token(touch="manual")
        call = self.begin(ROOT, MANAGER, "GenerateKey", self.options())
        self.wait_for(lambda: str(self.get(ROOT, MANAGER, "Prompt")) == "touch-pair", "touch-pair")
        self.assertEqual(str(self.get(ROOT, MANAGER, "PromptToken")), "Software token blue")
        token.touch()
        self.wait_for(lambda: str(self.get(ROOT, MANAGER, "Prompt")) == "touch", "touch")
        token.touch()
        handle, public = (str(s) for s in call.finish())
        self.assertEqual(str(self.get(ROOT, MANAGER, "Prompt")), "")
        raw = dbus.ByteArray(base64.b64decode(handle))
        self.assertEqual(str(self.call(ROOT, MANAGER, "FindKey", raw)), public)
        options = self.options(resident=True)
        options["handle"] = raw
        result = self.call(self.tunnel(), TUNNEL, "Enroll", options)
        self.assertEqual((result["handle"], result["public-key"]), (handle, public))
        token.unplug()
        self.assertEqual(str(self.call(ROOT, MANAGER, "FindKey", raw)), public)
        self.assertRefused("InvalidArgument", self.call, ROOT, MANAGER, "FindKey", dbus.ByteArray(bytes(32)))
        self.assertRefused("InvalidArgument", self.call, ROOT, MANAGER, "FindKey", dbus.ByteArray(bytes(31)))

    def test_list_keys(self):
        self.ready()
        self.call(self.tunnel(), TUNNEL, "Rekey", self.options())
        slots, keys = self.call(self.plugged[0].path(), TOKEN, "ListKeys")
        self.assertEqual(int(slots), 8)
        self.assertEqual([[str(k[0]), str(k[1]), int(k[2]), bool(k[3]), bool(k[4])] for k in keys],
                         [["ctaphid:0", "never", 0, False, True], ["ctaphid:1", "never", 0, False, True]])
        self.assertEqual([str(self.get(self.tunnel(), TUNNEL, name)) for name in ("PublicKey", "Handle", "NextPublicKey", "NextHandle")],
                         [str(field) for k in keys for field in k[5:]])
        # One that has no place for such keys says so.
        plain = self.token("plain", plug=False).plug(args=["--no-x25519"])
        self.assertRefused("Unsupported", self.call, plain.path(), TOKEN, "ListKeys")

    def test_another_process_has_nothing_of_it(self):
        """Whoever has the key file, the pairings and the token, but not host.key, is a stranger to the token."""
        token = self.ready()
        self.assertEqual(self.stop_broker(), 0)
        token.unplug(wait=False)
        os.remove(os.path.join(self.state, "host.key"))
        self.start_broker()
        token.plug()
        self.assertRefused("WrongToken", self.approve, text="paired")


class Rekeying(ResidentCase):
    def test_identity(self):
        self.ready()
        old = self.own()
        result = self.call(self.tunnel(), TUNNEL, "Rekey", self.options())
        self.assertEqual(result["slot"], "ctaphid:1")
        new = base64.b64decode(result["public-key"])
        self.assertEqual((self.own(), self.own(name="NextPublicKey")), (old, new))
        self.assertEqual(str(self.get(self.tunnel(), TUNNEL, "NextHandle")), result["handle"])
        self.assertEqual(self.tunnel_state(), "approved")
        peer = self.public["A"]
        self.assertEqual(self.dh(peer, "static"), x25519(self.secret["A"], old))
        self.assertEqual(self.dh(peer, "static", next=True), x25519(self.secret["A"], new))
        self.call(self.tunnel(), TUNNEL, "CommitRekey", self.options())
        self.assertEqual((self.own(), str(self.get(self.tunnel(), TUNNEL, "NextPublicKey"))), (new, ""))
        self.assertEqual(self.tunnel_state(), "approved")
        self.assertEqual(self.dh(peer, "static"), x25519(self.secret["A"], new))
        self.assertRefused("InvalidArgument", self.dh, peer, "static", next=True)
        self.assertRefused("NotEnrolled", self.call, self.tunnel(), TUNNEL, "CommitRekey", self.options())


    def test_erase(self):
        self.ready()
        self.call(self.tunnel(), TUNNEL, "Rekey", self.options())
        self.call(self.tunnel(), TUNNEL, "CommitRekey", self.options(erase=True))
        self.assertEqual(self.call(self.tunnel(), TUNNEL, "Rekey", self.options())["slot"], "ctaphid:0")
        self.call(self.tunnel(), TUNNEL, "CommitRekey", self.options(erase=True, abandon=True))
        self.assertEqual(str(self.get(self.tunnel(), TUNNEL, "NextPublicKey")), "")
        self.dh(self.public["A"], "static")
        self.assertEqual(str(self.call(ROOT, MANAGER, "GenerateKey", self.options())[0])[:16], "wgfido/resident/")


class Handshakes(ResidentCase):
    def test_all_roles(self):
        self.ready()
        own, ephemeral = self.own(), os.urandom(32)
        point = x25519(ephemeral, BASE)
        self.assertEqual(self.dh(self.public["A"], "static"), x25519(self.secret["A"], own))
        shared = self.dh(point, "initiator", peer=self.public["A"], message=response(point, own))
        self.assertEqual(shared, x25519(ephemeral, own))
        self.assertEqual(self.dh(point, "responder", message=initiation(point, own)), shared)

    def test_what_does_not_fit(self):
        self.ready()
        own, point, peer = self.own(), x25519(os.urandom(32), BASE), self.public["A"]
        refused = [
            ("NotApproved", point, "static", {}),
            ("InvalidArgument", peer, "static", {"peer": peer}),
            ("InvalidArgument", peer, "static", {"message": response(peer, own)}),
            # nothing was begun with that peer
            ("NotApproved", point, "initiator", {"peer": peer, "message": response(point, own)}),
        ]
        self.dh(peer, "static")
        for error, p, role, options in refused[:3]:
            self.assertRefused(error, self.dh, p, role, **options)
        self.assertRefused("NotApproved", self.dh, point, "initiator", peer=self.public["B"], message=response(point, own))
        self.assertRefused("NotApproved", self.dh, point, "initiator", peer=point, message=response(point, own))
        self.assertRefused("InvalidArgument", self.dh, point, "initiator", message=response(point, own))
        self.assertRefused("InvalidArgument", self.dh, point, "initiator", peer=peer)
        self.assertRefused("InvalidArgument", self.dh, point, "responder", peer=peer, message=initiation(point, own))
        good, low = initiation(point, own), bytes(32)
        for message in (good[:-1], good + b"\0", b"", response(point, own), b"\2" + good[1:], good[:1] + b"\1" + good[2:],
                        initiation(point, peer), initiation(x25519(os.urandom(32), BASE), own),
                        good[:116] + bytes(16) + good[132:], good[:20] + b"\xff" + good[21:]):
            self.assertRefused("InvalidArgument", self.dh, point, "responder", message=message)
        self.assertRefused("InvalidArgument", self.dh, low, "responder", message=initiation(low, own))
        for p in (b"", bytes(31), bytes(33)):
            self.assertRefused("InvalidArgument", self.dh, p, "static")
        self.assertRefused("InvalidArgument", self.dh, peer, "dance")
        self.assertRefused("InvalidArgument", self.call, self.tunnel(), TUNNEL, "DiffieHellman", dbus.ByteArray(peer), self.options())
        for options in ({"peer": peer[:31]}, {"handle": peer}, {"next": 1}, {"message": bytes(149)}):
            self.assertRefused("InvalidArgument", self.dh, peer, "static", **options)
        # None of it has used anything up.
        self.assertEqual(len(self.dh(point, "responder", message=good)), 32)

    def test_a_message_goes_to_the_token_once(self):
        self.ready()
        own, peer, point = self.own(), self.public["A"], x25519(os.urandom(32), BASE)
        self.dh(peer, "static")
        for role, message, options in (("responder", initiation(point, own), {}),
                                       ("initiator", response(point, own), {"peer": peer})):
            self.dh(point, role, message=message, **options)
            self.assertRefused("InvalidArgument", self.dh, point, role, message=message, text="before", **options)
            # Neither does another mac2 make it another message.
            self.assertRefused("InvalidArgument", self.dh, point, role, message=message[:-1] + b"\1", text="before", **options)

    def test_flood(self):
        """A flood is refused early; who shakes hands with a peer of ours, and who approves, is served all the same."""
        self.ready()
        own = self.own()
        self.dh(self.public["A"], "static")
        calls = []
        for _ in range(60):
            point = x25519(os.urandom(32), BASE)
            calls.append(Call(self.address, self.tunnel(), TUNNEL, "DiffieHellman",
                              self.dh_arguments(point, "responder", message=initiation(point, own))))
        # Prepared before, so that they come as fast as they can.
        for c in calls:
            c.send()
        answered = 0
        for c in calls:
            c.start()
            try:
                read_pipe(c.finish())
                answered += 1
            except dbus.DBusException as e:
                self.assertEqual(e.get_dbus_name(), "org.wgfido1.Error.LimitExceeded")
        self.assertLess(answered, 60)
        self.assertGreater(answered, 0)
        point = x25519(os.urandom(32), BASE)
        self.dh(self.public["B"], "static")
        self.dh(point, "initiator", peer=self.public["A"], message=response(point, own))
        self.approve()

    def test_answers_of_a_peer_are_counted(self):
        self.ready()
        own, peer = self.own(), self.public["A"]
        self.dh(peer, "static")
        refused = 0
        for _ in range(16):
            point = x25519(os.urandom(32), BASE)
            try:
                self.dh(point, "initiator", peer=peer, message=response(point, own))
            except dbus.DBusException as e:
                self.assertEqual(e.get_dbus_name(), "org.wgfido1.Error.LimitExceeded")
                refused += 1
        self.assertGreaterEqual(refused, 3)

    def test_not_approved(self):
        self.identity(peers="AB")
        self.start_broker()
        self.token()
        self.assertRefused("NotEnrolled", self.dh, self.public["A"], "static")
        self.enroll_resident()
        self.assertRefused("NotApproved", self.dh, self.public["A"], "static")
        self.approve()
        self.dh(self.public["A"], "static")
        point = x25519(os.urandom(32), BASE)
        self.call(self.tunnel(), TUNNEL, "Revoke")
        self.assertRefused("NotApproved", self.dh, self.public["A"], "static")
        self.assertRefused("NotApproved", self.dh, point, "responder", message=initiation(point, self.own()))
        # A new approval knows nothing of the handshakes of the one before.
        self.approve()
        self.assertRefused("NotApproved", self.dh, point, "initiator", peer=self.public["A"], message=response(point, self.own()))

    def test_other_tunnels(self):
        self.identity()
        self.config("wg1")
        self.start_broker()
        self.token()
        self.enroll()
        self.enroll_resident("wg1")
        self.approve()
        self.approve("wg1")
        self.assertRefused("Unsupported", self.dh, self.public["A"], "static")
        self.assertRefused("Unsupported", self.dh, base64.b64decode(key("A")), "static", ifname="wg1")

    def test_token_that_wants_a_touch_each_time(self):
        self.identity("wg3", peers="A")
        self.start_broker()
        token = self.token(touch="manual")
        call = self.begin(self.tunnel("wg3"), TUNNEL, "Enroll", self.options(resident=True, touch="always"))
        for _ in range(3):
            token.touch()
        call.finish()
        call = self.begin_approve("wg3")
        token.touch()
        call.finish()
        point = x25519(os.urandom(32), BASE)
        self.assertRefused("Unsupported", self.dh, point, "responder", ifname="wg3", message=initiation(point, self.own("wg3")))
        call = self.begin_dh(self.public["A"], "static", ifname="wg3")
        self.wait_for(lambda: str(self.get(self.tunnel("wg3"), TUNNEL, "Prompt")) == "touch", "touch")
        self.assertEqual(self.tunnel_state("wg3"), "approved")
        token.touch()
        self.assertEqual(read_pipe(call.finish()), x25519(self.secret["A"], self.own("wg3")))
        self.assertEqual(str(self.get(self.tunnel("wg3"), TUNNEL, "Prompt")), "")
        # What is asked for when the approval ends, and when the key goes, gives nothing.
        call = self.begin_dh(self.public["A"], "static", ifname="wg3")
        self.wait_for(lambda: token.status() == "touch", "the token blinks")
        self.call(self.tunnel("wg3"), TUNNEL, "Revoke")
        self.assertRefused("NotApproved", call.finish)
        self.wait_for(lambda: token.status() == "idle", "the token is told")
        call = self.begin_approve("wg3")
        token.touch()
        call.finish()
        call = self.begin_dh(self.public["A"], "static", ifname="wg3")
        self.wait_for(lambda: token.status() == "touch", "the token blinks")
        token.unplug(wait=False)
        self.assertRefused("NotApproved", call.finish)

    def test_caller_dies(self):
        self.identity()
        self.start_broker()
        token = self.token(touch="manual")
        call = self.begin(self.tunnel(), TUNNEL, "Enroll", self.options(resident=True, touch="always"))
        for _ in range(3):
            token.touch()
        call.finish()
        call = self.begin_approve()
        token.touch()
        call.finish()
        caller = self.spawn([sys.executable, "-B", "-c", CALLER, self.address, self.tunnel(), self.public["A"].hex()],
                            stderr=subprocess.DEVNULL)
        self.wait_for(lambda: token.status() == "touch", "the token blinks")
        caller.kill()
        self.wait_for(lambda: token.status() == "idle", "the token is told")
        self.assertEqual(self.tunnel_state(), "approved")

    def test_broker_stops(self):
        self.identity()
        self.start_broker()
        token = self.token(touch="manual")
        call = self.begin(self.tunnel(), TUNNEL, "Enroll", self.options(resident=True, touch="always"))
        for _ in range(3):
            token.touch()
        call.finish()
        call = self.begin_approve()
        token.touch()
        call.finish()
        call = self.begin_dh(self.public["A"], "static")
        self.wait_for(lambda: token.status() == "touch", "the token blinks")
        self.assertEqual(self.stop_broker(), 0)
        with self.assertRaises(dbus.DBusException):
            call.finish()

    def test_reload_of_the_configuration(self):
        self.ready()
        self.identity(peers="B")
        self.call(ROOT, MANAGER, "Reload")
        self.assertRefused("NotApproved", self.dh, self.public["A"], "static")
        self.approve()
        self.assertRefused("NotApproved", self.dh, self.public["A"], "static")
        self.dh(self.public["B"], "static")

    def test_speed(self):
        """Printed, and no verdict."""
        self.ready()
        proxy = self.bus.get_object("org.wgfido1", self.tunnel(), introspect=False)
        method = proxy.get_dbus_method("DiffieHellman", TUNNEL)
        arguments = self.dh_arguments(self.public["A"], "static")
        times = []
        for _ in range(200):
            begun = time.perf_counter()
            os.close(method(*arguments).take())
            times.append((time.perf_counter() - begun) * 1000)
        print("DiffieHellman: median %.2f ms, %.0f a second, one after the other, by way of the bus, the worker and the software token"
              % (statistics.median(times), 1000 * len(times) / sum(times)), file=sys.stderr)


class OtherAgent(ResidentCase):
    AGENT_UID = OTHER_UID

    def test_others_are_refused(self):
        self.identity()
        self.start_broker()
        self.token()
        self.enroll_resident()
        self.approve()
        # By the policy of the bus, root not excepted.
        self.assertRefused("org.freedesktop.DBus.Error.AccessDenied", self.dh, self.public["A"], "static")


    def test_the_agent_switches_and_no_more(self):
        """It need not ask polkit to put the next key in its place; to give one up, it does."""
        if os.getuid() != 0:
            self.skipTest("only root can be two users")
        self.polkit_says({"*": "no"})
        self.start_polkit()
        self.identity()
        self.start_broker()
        self.token()
        self.enroll_resident()
        self.call(self.tunnel(), TUNNEL, "Rekey", self.options())
        new = self.own(name="NextPublicKey")

        def commit(**options):
            self.call(self.tunnel(), TUNNEL, "CommitRekey", self.options(**options))
        for options in ({"abandon": True}, {"erase": True}):
            self.assertRefused("Denied", self.as_other, lambda o=options: commit(**o))
        self.as_other(commit)
        self.assertEqual(self.own(), new)
        self.assertRefused("Denied", self.as_other, lambda: self.call(self.tunnel(), TUNNEL, "Rekey", self.options()))
        self.assertRefused("Denied", self.as_other, lambda: self.call(ROOT, MANAGER, "GenerateKey", self.options()))


class PolicyLetsThrough(ResidentCase):
    def policy(self):
        return super().policy() + '<policy context="default"><allow send_destination="org.wgfido1"/></policy>'

    def test_the_broker_refuses_itself(self):
        self.identity()
        self.start_broker(agent_uid=OTHER_UID)
        self.token()
        self.enroll_resident()
        self.approve()
        for _ in range(2):
            self.assertRefused("Denied", self.dh, self.public["A"], "static")


if __name__ == "__main__":
    unittest.main()
