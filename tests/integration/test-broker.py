#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The broker's main way: enrol, approve, hand out keys, end."""
import unittest

from broker_case import PEER, TUNNEL, BrokerCase, boottime_us


class Main(BrokerCase):
    def test_enroll_approve_get_psk(self):
        self.config()
        self.start_broker()
        token = self.token("blue")
        self.assertEqual(self.tunnel_state(), "unenrolled")
        self.assertRefused("NotEnrolled", self.approve)
        result = self.enroll()
        self.assertEqual(len(result["public-key"]), 44)
        self.assertEqual(self.get(self.tunnel(), TUNNEL, "PublicKey"), result["public-key"])
        self.assertEqual(self.get(self.tunnel(), TUNNEL, "Held"), "wrapped")
        self.assertEqual(self.tunnel_state(), "locked")
        self.assertRefused("NotApproved", self.get_psk)
        before = boottime_us()
        until = self.approve()
        self.assertAlmostEqual(until - before, 8 * 3600 * 1000000, delta=60 * 1000000)
        self.assertEqual(self.tunnel_state(), "approved")
        self.assertEqual(self.get(self.peer(), PEER, "State"), "approved")
        self.assertEqual(self.get(self.peer(), PEER, "ApprovedUntil"), until)
        self.assertRegex(self.get(self.peer(), PEER, "Requester"), r"^uid \d+ \(\S+\)$")
        self.not_at_the_end_of(120)
        psk, start, end = self.get_psk()
        self.assertEqual((len(psk), end - start), (32, 120))
        self.assertEqual(self.get_psk()[0], psk)
        token.unplug()
        self.assertEqual(self.tunnel_state(), "locked")
        self.assertEqual(self.get(self.tunnel(), TUNNEL, "EndReason"), "token-removed")
        self.assertRefused("NotApproved", self.get_psk)


if __name__ == "__main__":
    unittest.main()
