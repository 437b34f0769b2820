/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HID report descriptors (Device Class Definition for HID 1.11, section 6.2.2), pure: is this FIDO, and how long are its reports? */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hid_desc {
	size_t in_size, out_size; /* bytes, without a report number */
};

/*
 * -ENXIO: no FIDO collection (usage page 0xF1D0, usage 1) in it. -EBADMSG: malformed, or of a shape that no FIDO key has: numbered
 * reports, reports of other than 8 to 64 bytes, no input or no output report.
 */
int hid_desc_parse(struct hid_desc *ret, const uint8_t *desc, size_t len);
