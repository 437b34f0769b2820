#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds equal: dbus/*.xml, what the running broker says of itself, the bus policy, docs/dbus.md, the polkit actions, and
the error names."""
import os
import re
import sys
import unittest
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from broker_case import NAME, ROOT, SOURCE, BrokerCase  # noqa: E402

INTERFACES = ("Manager", "Token", "Tunnel", "Peer")
STANDARD = ("Introspectable", "ObjectManager", "Peer", "Properties")


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as f:
        return f.read()


def describe(interface):
    """An <interface> as lines in the form of docs/dbus.md."""
    lines = set()
    for p in interface.findall("property"):
        assert p.get("access") == "read"
        lines.add("%s %s" % (p.get("name"), p.get("type")))
    for m in interface.findall("method"):
        args = {"in": [], "out": []}
        for a in m.findall("arg"):
            args[a.get("direction", "in")].append("%s %s" % (a.get("type"), a.get("name")))
        line = "%s(%s)" % (m.get("name"), ", ".join(args["in"]))
        lines.add(line + (" -> " + ", ".join(args["out"]) if args["out"] else ""))
    assert not interface.findall("signal")
    return lines


def contract():
    """name -> (interface element)"""
    found = {}
    for name in INTERFACES:
        (interface,) = ET.fromstring(read("dbus", "%s.%s.xml" % (NAME, name))).findall("interface")
        assert interface.get("name") == "%s.%s" % (NAME, name)
        found[name] = interface
    return found


def callers(interface):
    """member -> "", "root" or "agent" """
    found = {}
    for m in interface.findall("method"):
        notes = [a.get("value") for a in m.findall("annotation") if a.get("name") == NAME + ".Caller"]
        found[m.get("name")] = notes[0] if notes else ""
    return found


class Contract(BrokerCase):
    def test_introspection(self):
        self.config()
        self.start_broker()
        token = self.token()
        for name, path in zip(INTERFACES, (ROOT, token.path(), self.tunnel(), self.peer())):
            proxy = self.bus.get_object(NAME, path, introspect=False)
            node = ET.fromstring(proxy.Introspect(dbus_interface="org.freedesktop.DBus.Introspectable"))
            (said,) = [i for i in node.findall("interface") if i.get("name") == "%s.%s" % (NAME, name)]
            ours = [i.get("name") for i in node.findall("interface") if i.get("name").startswith(NAME)]
            self.assertEqual(ours, [said.get("name")], path)
            self.assertEqual(describe(said), describe(contract()[name]), name)

    def test_policy(self):
        policies = {}
        for p in ET.fromstring(read("dbus", NAME + ".conf")).findall("policy"):
            who = p.get("user") or p.get("context")
            rules = policies.setdefault(who, set())
            for rule in p:
                self.assertEqual(rule.tag, "allow")
                if rule.get("own"):
                    self.assertEqual((who, rule.attrib), ("wgfido", {"own": NAME}))
                    continue
                if who == "wgfido":
                    self.assertEqual(rule.attrib, {"send_interface": "org.freedesktop.DBus.Peer", "send_member": "Ping"})
                    continue
                self.assertEqual(rule.get("send_destination"), NAME)
                rules.add((rule.get("send_interface"), rule.get("send_member")))
        expected = {"wgfido": set(), "default": set(), "root": set(), "wgfido-net": set()}
        for name in STANDARD:
            expected["default"].add(("org.freedesktop.DBus." + name, None))
        for name, interface in contract().items():
            for member, caller in callers(interface).items():
                who = {"": "default", "root": "root", "agent": "wgfido-net"}[caller]
                expected[who].add(("%s.%s" % (NAME, name), member))
        self.assertEqual(policies, expected)

    def test_documentation(self):
        text = read("docs", "dbus.md")
        sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
        for name, interface in contract().items():
            rows = re.findall(r"^\| `([^`]+)` \|(.*)\|$", sections["%s.%s" % (NAME, name)], re.M)
            self.assertEqual({r[0] for r in rows}, describe(interface), name)
            for member, said in rows:
                caller = callers(interface).get(member.split("(")[0])
                if caller:
                    self.assertRegex(said, r"^ %s\." % caller, member)
                elif caller == "":
                    self.assertNotRegex(said, r"^ (root|agent)\.", member)

    def test_polkit_actions(self):
        used = set(re.findall(r'WGFIDO_ACTION_\w+ "([^"]+)"', read("common", "names.h")))
        actions = ET.fromstring(read("polkit", NAME + ".policy")).findall("action")
        self.assertEqual({a.get("id") for a in actions}, used)
        documented = set(re.findall(r"polkit (org\.wgfido1\.\w+)", read("docs", "dbus.md")))
        self.assertEqual(documented, used)
        for a in actions:
            self.assertEqual([n.text for n in a.findall("annotate")
                              if n.get("key") == "org.freedesktop.policykit.owner"], ["unix-user:wgfido"])
            self.assertNotIn("keep", ET.tostring(a.find("defaults"), encoding="unicode"))

    def test_errors(self):
        names = set(re.findall(r'\[OUTCOME_(?!OK)\w+\] = \{\s*"(\w+)"', read("common", "outcome.c")))
        self.assertGreater(len(names), 15)
        section = re.search(r"^## Errors\n(.*?)^## ", read("docs", "dbus.md"), re.M | re.S).group(1)
        self.assertEqual(set(re.findall(r"^\| `(\w+)` \|", section, re.M)), names)

    def test_options(self):
        """What bus-options.c reads is what the documentation lists."""
        read_by = set(re.findall(r'\{"([a-z-]+)", BUS_OPTION_\w+, "(\w+)"\}', read("daemon", "bus-options.c")))
        section = read("docs", "dbus.md").split("## Options\n")[1]
        self.assertEqual(set(re.findall(r'^\| "([a-z-]+)" `(\w+)` \|', section, re.M)), read_by)


if __name__ == "__main__":
    unittest.main()
