/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said to the sender of a packet that nobody is there for: ICMP "host unreachable" (RFC 792), ICMPv6 "address unreachable"
 * (RFC 4443 section 3.1), as the kernel's WireGuard says it, so that an application fails at once instead of waiting.
 *
 * It comes in through the interface, and so from the address that cannot be reached: one of our own the kernel takes for forged when it
 * comes in from outside (fib_validate_source), and of all others only one that it has a route to by this interface passes a
 * strict rp_filter.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define UNREACHABLE_MAX 1280u /* RFC 4443 section 2.4 (c): the least MTU of IPv6 */

/* Altogether: a flood is not to be answered by another. */
#define UNREACHABLE_BURST 64u
#define UNREACHABLE_RATE_US 10000u

/*
 * Writes the answer to the packet, at most UNREACHABLE_MAX bytes; its length. 0: none is due (RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e)):
 * to errors, fragments but the first, to and from what is no single host's address, and to what is no packet.
 */
size_t unreachable_answer(uint8_t *to, const uint8_t *packet, size_t len);
