/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/transport.h"

/* CTAP 2.1 section 11.2.8.1: one collection of the FIDO page, one report each way, without numbers. */
const uint8_t transport_descriptor[TRANSPORT_DESCRIPTOR_SIZE] = {
	0x06, 0xd0, 0xf1,		       /* usage page 0xF1D0 */
	0x09, 0x01,			       /* usage CTAPHID */
	0xa1, 0x01,			       /* collection, application */
	0x09, 0x20,			       /* usage data in */
	0x15, 0x00, 0x26, 0xff, 0x00,	       /* logical 0 .. 255 */
	0x75, 0x08, 0x95, SOFTHID_REPORT_SIZE, /* 8 bits, 64 times */
	0x81, 0x02,			       /* input: data, variable, absolute */
	0x09, 0x21,			       /* usage data out */
	0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08, 0x95, SOFTHID_REPORT_SIZE, 0x91,
	0x02, /* output: data, variable, absolute */
	0xc0, /* end of the collection */
};
