#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line against a fake broker: what is asked, what is said, and the exit status."""
import json
import os
import re
import subprocess
import termios
import threading
import time

from client_case import KEY, WGFIDO, ClientCase, fake, signal, unittest

HELD = {"Mode": "psk", "Held": "wrapped", "PublicKey": KEY["T"]}


class Basics(ClientCase):
    def test_help_everywhere(self):
        verbs = [line.split()[0] for line in self.wgfido("--help").splitlines() if line.startswith("  ")]
        self.assertIn("approve", verbs)
        for verb in verbs:
            if verb.startswith("-"):
                continue
            self.assertIn("Usage: wgfido %s" % verb, self.wgfido(verb, "--help"))
            self.wgfido(verb, "--no-such-option", status=2)

    def test_man_page_is_complete(self):
        source = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

        def text(*name):
            with open(os.path.join(source, *name), encoding="utf-8") as f:
                return f.read()

        page, completion = text("man", "wgfido.1"), text("completions", "wgfido.bash")
        for line in self.wgfido("--help").splitlines():
            verb = re.match(r"  ([a-z]+) ", line)
            if not verb:
                continue
            self.assertRegex(page, r"\n\.(It )?Cm %s\b" % verb[1])
            self.assertIn(" " + verb[1] + " ", completion.replace('"', " "))
            for option in re.findall(r"\n  --([a-z-]+)", self.wgfido(verb[1], "--help")):
                self.assertRegex(page, r"Fl -%s\b" % option)
                self.assertIn("--" + option, completion)
        statuses = set(re.findall(r'= \{ "[A-Za-z]+", (\d+),', text("common", "outcome.c")))
        self.assertGreater(len(statuses), 15)
        section = page[page.index(".Sh EXIT STATUS"): page.index(".Sh STATUS FOR")]
        self.assertEqual(set(re.findall(r"\n\.It (\d+)\n", section)), statuses | {"2"})

    def test_version_and_usage(self):
        self.assertRegex(self.wgfido("--version"), r"^wgfido \d")
        self.wgfido(status=2)
        self.wgfido("frobnicate", status=2)
        self.assertIn("frobnicate", self.err)

    def test_no_broker(self):
        for argv in (["approve"], ["approve", "wg0"], ["revoke", "wg0"], ["lock"], ["tokens"], ["pubkey", "wg0"]):
            self.wgfido(*argv, status=1)
            self.assertEqual(self.err, "wgfido: The wgfido broker is not running: start wgfidod, as wgfidod(8) shows\n")

    def test_no_bus(self):
        self.env["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=%s/nothing" % self.dir
        self.wgfido("lock", status=1)
        self.assertIn("system bus", self.err)


class Approve(ClientCase):
    def setUp(self):
        super().setUp()
        b = self.start_broker()
        self.wg0 = b.add(fake.Tunnel, "wg0", Name="office", **HELD)
        self.gw = b.add(fake.Peer, self.wg0, KEY["A"], Name="gw")
        self.write("run/wg0.json", '{"interface": "wg0", "state": "closed"}')

    def test_no_agent(self):
        os.unlink(self.where("run/wg0.json"))
        self.broker.start()
        self.wgfido("approve", "wg0")
        self.assertIn("wgfido-rotate does not guard wg0", self.err)

    def test_touch(self):
        self.broker.answers["Approve"] = [fake.prompt("touch", fake.approve(7200))]
        self.broker.start()
        self.wgfido("approve", "wg0", "--for", "2h")
        self.assertRegex(self.out, r"^office \(wg0\) is approved until .*\(2 h left\)\.\n$")
        self.assertEqual(self.err, "Touch YubiKey 5 to open office (wg0) to gw for 2 h\n")
        self.assertEqual(self.broker.calls[0].options, {"for": 7200})

    def test_steps_and_plug(self):
        second = fake.prompt("touch", fake.approve(), step=2, steps=3)
        self.broker.answers["Approve"] = [fake.prompt("token-with-key", second, token="")]
        self.broker.start()
        self.wgfido("approve", "--wait")
        self.assertEqual(
            self.err,
            "Plug in a security key that opens wg0, to open office (wg0) to gw for 8 h\n"
            "Touch YubiKey 5 to open office (wg0) to gw for 8 h, touch 2 of 3\n",
        )
        self.assertEqual(self.broker.calls[0].options, {"wait": True})

    def test_busy_is_told_only_if_it_lasts(self):
        self.broker.answers["Approve"] = [fake.prompt("busy", fake.prompt("touch", fake.approve()), after_ms=0)]
        self.broker.start()
        self.wgfido("approve", "wg0")
        self.assertEqual(self.err, "Touch YubiKey 5 to open office (wg0) to gw for 8 h\n")

    def test_token_by_name(self):
        self.broker.add(fake.Token, 1)
        self.broker.add(fake.Token, 2, Name="Nitrokey")
        self.broker.start()
        for given, asked in (("path-1", "path-1"), ("Nitro", "path-2"), ("usb-7", "usb-7")):
            self.wgfido("approve", "wg0", "--token", given)
            self.assertEqual(self.broker.calls[-1].options, {"token": asked})
        self.wgfido("approve", "wg0", "--token", "path", status=24)
        self.assertIn("fits several", self.err)

    def test_peer(self):
        self.broker.add(fake.Peer, self.wg0, KEY["B"])
        self.broker.start()
        for peer in ("gw", KEY["A"], KEY["A"][:6], "4141", "41" * 32):
            self.wgfido("approve", "wg0/" + peer)
            self.assertIs(self.broker.calls[-1].peer, self.gw)
        self.wgfido("approve", "office/gw")

    def test_peer_ambiguous(self):
        import base64

        twin = base64.b64encode(b"A" * 31 + b"B").decode()
        self.broker.add(fake.Peer, self.wg0, twin)
        self.broker.start()
        self.wgfido("approve", "wg0/41", status=24)
        self.assertIn(twin, self.err)
        self.assertIn("gw (%s)" % KEY["A"], self.err)
        self.wgfido("approve", "wg0/nobody", status=24)
        self.assertIn("choose one of gw", self.err)
        self.wgfido("approve", "wg0/", status=24)
        self.wgfido("approve", "wg9", status=24)
        self.assertIn("wg0", self.err)
        self.assertEqual(self.broker.calls, [])

    def test_which(self):
        wg1 = self.broker.add(fake.Tunnel, "wg1", **HELD)
        self.broker.start()
        self.wgfido("approve", status=24)
        self.assertIn("wg0, wg1", self.err)
        self.wg0.properties["ApprovalScope"] = wg1.properties["ApprovalScope"] = "global"
        self.wgfido("approve")
        self.assertEqual([c.tunnel for c in self.broker.calls], [self.wg0, wg1])

    def test_errors(self):
        names = {"TokenMissing": 10, "TouchTimeout": 11, "WrongToken": 19, "TokenFailed": 21, "LimitExceeded": 25}
        self.broker.start()
        for name, status in names.items():
            self.broker.answers["Approve"] = [fake.fail(name, "Sentence of %s." % name)]
            self.wgfido("approve", "wg0", status=status)
            self.assertEqual(self.err, "wgfido: Sentence of %s.\n" % name)
        self.wgfido("approve", "wg0", "--for", "soon", status=2)
        self.assertIn("soon", self.err)

    def test_hostile_names(self):
        answer = fake.prompt("touch", fake.approve(), token="a\x1b[2Jb\u009bc")
        self.broker.answers["Approve"] = [answer]
        self.broker.start()
        self.wgfido("approve", "wg0")
        self.assertIn("Touch a?[2Jb??c to", self.err)

    def test_forged_prompt(self):
        def forge(call, done, failed):
            bus = fake.dbus.bus.BusConnection(self.bus.address)
            for name in bus.list_names():
                m = fake.dbus.lowlevel.SignalMessage(call.tunnel.path, fake.PROPERTIES, "PropertiesChanged")
                m.append(fake.PREFIX + "Tunnel", {"Prompt": "touch", "PromptToken": "any key"}, [], signature="sa{sv}as")
                m.set_destination(name)
                if name.startswith(":"):
                    bus.send_message(m)
            bus.flush()
            bus.list_names()
            bus.close()
            fake.prompt("touch", fake.approve())(call, done, failed)

        self.broker.answers["Approve"] = [forge]
        self.broker.start()
        self.wgfido("approve", "wg0")
        self.assertEqual(self.err, "Touch YubiKey 5 to open office (wg0) to gw for 8 h\n")

    def test_pin_away_from_terminal(self):
        self.broker.answers["Approve"] = [fake.fail("PinRequired")]
        self.broker.start()
        self.wgfido("approve", "wg0", status=13)
        self.assertIn("--pin-fd", self.err)

    def test_pin_fd(self):
        self.broker.answers["Approve"] = [fake.fail("PinRequired"), fake.approve()]
        self.broker.start()
        r, w = os.pipe()
        os.write(w, b"1234\nrest")
        os.close(w)
        self.wgfido("approve", "wg0", "--pin-fd", str(r), pass_fds=[r])
        self.assertEqual(os.read(r, 10), b"rest")
        os.close(r)
        self.assertEqual([c.options.get("pin") for c in self.broker.calls], [None, b"1234"])

    def test_pin_fd_wrong(self):
        self.broker.answers["Approve"] = [fake.fail("PinRequired"), fake.fail("PinInvalid", "Wrong: 7 tries left.")]
        self.broker.start()
        r, w = os.pipe()
        os.write(w, b"1234\n5678\n")
        os.close(w)
        self.wgfido("approve", "wg0", "--pin-fd", str(r), pass_fds=[r], status=14)
        os.close(r)
        self.assertIn("7 tries left", self.err)
        self.assertEqual(len(self.broker.calls), 2)

    def test_pin_on_terminal(self):
        self.broker.answers["Approve"] = [
            fake.prompt("touch", fake.fail("PinRequired")),
            fake.fail("PinInvalid", "The PIN is wrong: 2 tries left."),
            fake.fail("PinFewTriesLeft", "Few tries are left: 2."),
            fake.approve(),
        ]
        self.broker.start()
        t = self.terminal("approve", "wg0")
        t.expect(r"Touch YubiKey 5 to open office \(wg0\) to gw for 8 h \.\.\. (30|[12][0-9]) s")
        t.expect(r"PIN of YubiKey 5, to open .*: ")
        t.type("12345\n")
        t.expect("2 tries left")
        t.expect("Try another PIN.*")
        t.type("y\n")
        t.expect("PIN of YubiKey 5")
        t.type("67890\n")
        t.expect("Few tries are left")
        t.expect("last tries.*")
        t.type("y\n")
        t.expect("approved until")
        self.assertEqual(t.finish(), 0)
        self.assertNotIn("12345", t.text)
        self.assertNotIn("67890", t.text)
        pins = [(c.options.get("pin"), c.options.get("confirm-pin")) for c in self.broker.calls]
        self.assertEqual(pins, [(None, None), (b"12345", None), (b"67890", None), (b"67890", True)])

    def test_pin_declined(self):
        self.broker.answers["Approve"] = [fake.fail("PinRequired"), fake.fail("PinInvalid", "Wrong.")]
        self.broker.start()
        t = self.terminal("approve", "wg0")
        t.expect("PIN of")
        t.type("1234\n")
        t.expect("Try another PIN")
        t.type("\n")
        self.assertEqual(t.finish(), 14)

    def test_pin_interrupted(self):
        self.broker.answers["Approve"] = [fake.fail("PinRequired")]
        self.broker.start()
        t = self.terminal("approve", "wg0")
        t.expect("PIN of")
        t.type("\x03")
        self.assertEqual(t.finish(), 12)

    def test_terminated_at_the_pin(self):
        """Whatever ends it, the terminal echoes again."""
        self.broker.answers["Approve"] = [fake.fail("PinRequired") for _ in range(3)]
        self.broker.start()
        for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            t = self.terminal("approve", "wg0")
            t.expect("PIN of")
            self.assertFalse(termios.tcgetattr(t.fd)[3] & termios.ECHO)

            os.kill(t.pid, sig)
            t.expect("\n")
            self.assertTrue(termios.tcgetattr(t.fd)[3] & termios.ECHO)
            self.assertEqual(t.finish(), -sig)

    def test_interrupt_cancels(self):
        self.broker.answers["Approve"] = [fake.prompt("touch", fake.never)]
        self.broker.start()
        p = subprocess.Popen([WGFIDO, "approve", "wg0"], env=self.env, stderr=subprocess.PIPE)
        self.assertIn(b"Touch", p.stderr.readline())
        p.send_signal(signal.SIGINT)
        err = p.communicate()[1].decode()
        self.assertEqual(p.returncode, 12, err)
        self.assertEqual(self.broker.methods(), ["Approve", "Cancel"])

    def test_second_interrupt(self):
        self.broker.answers["Approve"] = [fake.prompt("touch", lambda *a: None, after_ms=1)]
        self.broker.start()
        t = self.terminal("approve", "wg0")
        t.expect("Touch")
        t.type("\x03")
        t.expect("Cancelling")
        t.type("\x03")
        self.assertEqual(t.finish(), 12)

    def test_broker_dies(self):
        self.broker.answers["Approve"] = [fake.prompt("touch", fake.never)]
        self.broker.start()
        p = subprocess.Popen([WGFIDO, "approve", "wg0"], env=self.env, stderr=subprocess.PIPE)
        p.stderr.readline()
        self.broker.close()
        err = p.communicate()[1].decode()
        self.assertEqual(p.returncode, 1)
        self.assertIn("went away", err)


class Others(ClientCase):
    def setUp(self):
        super().setUp()
        b = self.start_broker()
        self.wg0 = b.add(fake.Tunnel, "wg0", Name="office", **HELD)
        self.gw = b.add(fake.Peer, self.wg0, KEY["A"], Name="gw")

    def test_revoke_and_lock(self):
        self.broker.answers["LockAll"] = [fake.ok(2)]
        self.broker.start()
        self.assertEqual(self.wgfido("revoke", "wg0/gw"), "office (wg0) to gw is locked.\n")
        self.assertIs(self.broker.calls[-1].peer, self.gw)
        self.wgfido("revoke")
        self.assertEqual(self.wgfido("lock"), "Every tunnel is locked; 2 approvals ended.\n")
        self.assertEqual(self.broker.methods(), ["Revoke", "Revoke", "LockAll"])
        self.broker.answers["Revoke"] = [fake.fail("Denied", "You may not.")]
        self.wgfido("revoke", "wg0", status=23)

    def test_tokens(self):
        self.broker.start()
        self.assertEqual(self.wgfido("tokens"), "No security key is plugged in.\n")
        self.broker.add(fake.Token, 1, PinState="set")
        self.broker.add(fake.Token, 2, Name="Old", Capabilities=__import__("dbus").Array(["fido2"], signature="s"))
        out = self.wgfido("tokens")
        self.assertIn("PIN set", out)
        self.assertIn("lacks hmac-secret", out)

    def test_pubkey(self):
        self.broker.add(fake.Tunnel, "wg1", State="unenrolled", Held="none")
        self.broker.start()
        self.assertEqual(self.wgfido("pubkey", "wg0"), KEY["T"] + "\n")
        self.wgfido("pubkey", "wg1", status=17)
        self.assertIn("wgfido enroll wg1", self.err)
        self.broker.add(fake.Tunnel, "wg2", Mode="identity", State="unenrolled", Held="none")
        self.wgfido("pubkey", "wg2", status=17)
        self.assertIn("`wgfido protect wg2`", self.err)

    def test_gateway(self):
        self.write("etc/wg0.conf", "[Interface]\nMode = psk\nPublicKey = %s\n[Peer]\nPublicKey = %s\n" % (KEY["C"], KEY["A"]))
        self.broker.start()
        out = self.wgfido("gateway", "wg0")
        self.assertIn("PublicKey = %s\nTokenPublicKey = %s\n" % (KEY["C"], KEY["T"]), out)
        psk = out.split("PresharedKey = ")[1].strip()
        self.assertEqual(len(__import__("base64").b64decode(psk)), 32)
        self.assertNotEqual(psk, self.wgfido("gateway", "wg0").split("PresharedKey = ")[1].strip())
        self.wg0.properties["Mode"] = "identity"
        self.assertNotIn("PresharedKey", self.wgfido("gateway", "wg0"))

    def test_enroll(self):
        def enrolled(call, done, failed):
            done({"public-key": KEY["T"], "recovery": fake.pipe_with(b"ABCD-EFGH-IJKL")})

        self.broker.answers["Enroll"] = [fake.prompt("touch", enrolled, step=3, steps=3), enrolled, enrolled]
        self.broker.start()
        self.wgfido("enroll", "wg0", "--yes", "--label", "blue")
        self.assertIn("recovery code: ABCD-EFGH-IJKL\n", self.out)
        self.assertIn(KEY["T"], self.out)
        self.assertIn("touch 3 of 3", self.err)
        self.assertEqual(self.broker.calls[0].options, {"label": "blue", "recovery": True})
        self.assertNotIn("SaveConfig", self.err)
        self.write("wireguard/wg0.conf", "[Interface]\nSaveConfig = true\nPrivateKey = %s\n" % KEY["D"])
        self.wgfido("enroll", "wg0", "--yes")
        self.assertRegex(self.err, "SaveConfig = true in line 2 of .*wireguard/wg0.conf writes")
        os.unlink(self.where("wireguard/wg0.conf"))
        t = self.terminal("enroll", "wg0")
        t.expect("ABCD-EFGH-IJKL")
        t.expect("last group: ")
        t.type("IJKX\n")
        t.expect("not its last group.*last group: ")
        t.type("ijkl\n")
        t.expect("Next: ")
        self.assertEqual(t.finish(), 0)


class Status(ClientCase):
    def agent(self, name="wg0", **more):
        status = {
            "interface": name, "mode": "psk", "role": "client", "backend": "kernel", "state": "open", "reason": "",
            "changed_boottime_us": fake.boottime_us(), "closed_boottime_us": 0, "problem": "",
            "peers": [{"public_key": KEY["A"], "name": "gw", "state": "rotated", "slot": 7,
                       "slot_end": int(time.time()) + 100, "offset": 0, "last_handshake": int(time.time()) - 12,
                       "drift_repaired": 0}],
        }
        status.update(more)
        self.write_at_once("run/%s.json" % name, json.dumps(status))

    def with_tunnel(self, **properties):
        b = self.start_broker()
        self.wg0 = b.add(fake.Tunnel, "wg0", Name="office", **{**HELD, **properties})
        b.add(fake.Peer, self.wg0, KEY["A"], Name="gw")
        b.add(fake.Token, 1)
        b.start()

    def test_revoke_waits_for_the_agent(self):
        self.with_tunnel(State="approved")
        self.agent()
        self.wgfido("revoke", "wg0")
        self.assertIn("wg0 is still open", self.err)
        closing = threading.Timer(0.1, self.agent, kwargs={"state": "closed"})

        def revoked(call, done, failed):
            done()
            closing.start()

        self.broker.answers["Revoke"] = [revoked]
        self.wgfido("revoke", "wg0/gw")
        closing.join()
        self.assertEqual(self.err, "")
        self.assertEqual(json.loads(self.read("run/wg0.json"))["state"], "closed")
        self.agent(state="closed")
        self.wgfido("lock")
        self.assertEqual(self.err, "")

    def test_locked(self):
        self.with_tunnel(EndReason="token-removed")
        self.agent(state="closed", peers=[])
        out = self.wgfido("status")
        self.assertIn("office (wg0): locked, since the security key was pulled out\n", out)
        self.assertIn("psk, wrapped", out)
        self.assertNotIn("\x1b", out)

    def test_approved(self):
        import dbus

        self.with_tunnel(State="approved", ApprovedUntil=dbus.UInt64(fake.boottime_us() + 3600 * 10**6))
        self.agent()
        out = self.wgfido("status")
        self.assertRegex(out, r"office \(wg0\): approved until .* left\)\n")
        self.assertRegex(out, r"peer   gw: open, confirmed by a handshake, slot 7, last handshake [1-5]\d s ago\n")
        self.assertNotIn("!", out)
        switched = {"public_key": KEY["A"], "state": "open", "reason": "no handshake since its key changed",
                    "last_handshake": int(time.time()) - 12}
        self.agent(peers=[switched])
        self.assertRegex(self.wgfido("status"), r"peer   gw: open, no handshake since its key changed, last handshake [1-5]\d s ago\n")
        self.agent()
        root = json.loads(self.wgfido("status", "--json"))
        self.assertEqual(root["tunnels"][0]["state"], "approved")
        self.assertAlmostEqual(root["tunnels"][0]["approved_until"], time.time() + 3600, delta=PATIENCE_SECONDS)
        self.assertEqual(root["tunnels"][0]["agent"]["peers"][0]["state"], "rotated")
        self.assertEqual(root["tunnels"][0]["warnings"], [])
        self.assertEqual(root["tokens"][0]["name"], "YubiKey 5")
        self.assertTrue(root["broker"])

    def test_warnings(self):
        self.with_tunnel()
        self.assertIn("does not guard wg0", self.wgfido("status"))
        self.agent(state="open")
        self.assertIn("open although it is not approved", self.wgfido("status"))
        self.agent(state="closed", problem="the watchdog is off")
        self.assertIn("the watchdog is off", self.wgfido("status"))
        self.write("run/wg0.json", "not json")
        self.assertIn("does not guard wg0", self.wgfido("status"))
        peers = [{"public_key": KEY["A"], "state": "open", "slot_end": int(time.time()) - 500, "drift_repaired": 3}]
        self.agent(state="closed", peers=peers)
        out = self.wgfido("status")
        self.assertIn("may be old", out)
        self.assertIn("3 times", out)

    def test_gateway(self):
        self.agent(role="gateway")
        out = self.wgfido("status")
        self.assertIn("wg0: gateway, psk", out)
        self.assertEqual(self.err, "")
        root = json.loads(self.wgfido("status", "--json"))
        self.assertFalse(root["broker"])
        self.assertEqual(root["agent_only"][0]["role"], "gateway")

    def test_no_broker(self):
        self.agent()
        self.wgfido("status", status=1)
        self.assertIn("start wgfidod, as wgfidod(8) shows", self.err)
        self.assertIn("wg0: client", self.out)

    def test_watch(self):
        self.with_tunnel()
        self.agent(state="closed")
        p = subprocess.Popen([WGFIDO, "status", "--json", "--watch"], env=self.env, stdout=subprocess.PIPE)
        self.assertEqual(json.loads(p.stdout.readline())["tunnels"][0]["state"], "locked")
        self.wgfido("approve", "wg0")
        self.assertEqual(json.loads(p.stdout.readline())["tunnels"][0]["state"], "approved")
        p.send_signal(signal.SIGINT)
        p.communicate()
        self.assertEqual(p.returncode, 0)

    def test_monitor(self):
        self.with_tunnel()
        self.agent(state="closed", peers=[])
        p = subprocess.Popen([WGFIDO, "monitor"], env=self.env, stdout=subprocess.PIPE, text=True)

        def line():
            return p.stdout.readline().split("  ", 1)[1]

        first = [line() for _ in range(4)]
        self.assertEqual(first[:2], ["broker: runs\n", "YubiKey 5 (path-1): plugged in\n"])
        self.assertEqual(first[2:], ["office (wg0): locked\n", "wg0 in WireGuard: closed\n"])
        self.wgfido("approve", "wg0")
        self.assertRegex(line(), r"office \(wg0\): approved until .*\n")
        self.agent(state="open", peers=[])
        self.assertEqual(line(), "wg0 in WireGuard: open\n")
        self.wg0.set(State="locked", EndReason="token-removed")
        self.assertEqual(line(), "office (wg0): locked, since the security key was pulled out\n")
        self.broker.close()
        self.assertEqual(line(), "broker: does not run\n")
        self.assertEqual({line(), line()}, {"office (wg0): gone\n", "YubiKey 5 (path-1): gone\n"})
        p.send_signal(signal.SIGTERM)
        p.communicate()
        self.assertEqual(p.returncode, 0)

    def doctor(self, *findings):
        out = self.wgfido("doctor", status=1)
        for words in findings:
            self.assertIn(words, out)
        return self.wrong(out)

    @staticmethod
    def wrong(out):
        """But for what the machine that runs the test, and its bus without services, is told of: test-doctor has that."""
        return [line for line in out.splitlines() if line.startswith("wrong") and not re.search("clock|polkit", line)]

    def test_doctor(self):
        import dbus

        slots = dbus.Array([(dbus.UInt32(n), "hmac-secret", "", "", dbus.UInt64(0)) for n in (1, 2)], signature="(ussst)")
        self.with_tunnel(KeySlots=slots)
        self.broker.manager.properties["Version"] = self.wgfido("--version").split()[1]
        self.agent(state="closed")
        self.write("etc/wg0.conf", "[Interface]\nMode = psk\nPublicKey = %s\n[Peer]\nPublicKey = %s\n" % (KEY["C"], KEY["A"]))
        out = self.wgfido("doctor", status=None)
        self.assertEqual(self.wrong(out), [])

        self.write("wireguard/wg0.conf", "[Interface]\nSaveConfig = true\nPrivateKey = %s\n[Peer]\nPublicKey = %s\n"
                   "PresharedKey = %s\n" % (KEY["D"], KEY["A"], "A" * 43 + "="))
        os.chmod(self.where("wireguard/wg0.conf"), 0o644)
        found = self.doctor("-> remove line 2 of", "-> chmod o= ", "PublicKey is not the one", "a line `PresharedKey = ` and what `wg genpsk` prints")
        self.assertEqual(len(found), 4)
        os.unlink(self.where("wireguard/wg0.conf"))

        self.write("etc/wg1.conf", "[Interface]\nMode = psk\nColour = red\n")
        self.wg0.properties.update(Held="none", State="unenrolled")
        os.unlink(self.where("run/wg0.json"))
        found = self.doctor("wg1.conf:3: ", "-> wgfido enroll wg0", "-> start wgfido-rotate anew, as wgfido-rotate(8) shows")
        self.assertEqual(len(found), 3)
        self.broker.close()
        self.doctor("-> start wgfidod, as wgfidod(8) shows")

    def test_doctor_at_gateway(self):
        self.agent(role="gateway")
        self.write("etc/wg0.conf", "[Interface]\nMode = psk\nPublicKey = %s\n[Peer]\nPublicKey = %s\nTokenPublicKey = %s\n"
                   % (KEY["C"], KEY["A"], KEY["T"]))
        self.write("wireguard/wg0.conf", "[Interface]\nPrivateKey = nonsense\n[Peer]\nPublicKey = %s\n" % KEY["A"])
        os.chmod(self.where("wireguard/wg0.conf"), 0o600)
        self.assertEqual(len(self.doctor("a gateway needs none", "has no PresharedKey")), 1)


PATIENCE_SECONDS = 60


if __name__ == "__main__":
    unittest.main()
