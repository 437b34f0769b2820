/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libmnl's loops over attributes, with the conversions that -Wconversion wants to see written. */
#pragma once

#include <libmnl/libmnl.h>

static inline int device_attribute_room(const struct nlattr *a, const void *end)
{
	return (int)((const char *)end - (const char *)a);
}

#define device_attribute_for_each(a, nlh, offset)                                                                      \
	for ((a) = mnl_nlmsg_get_payload_offset(nlh, offset);                                                          \
		mnl_attr_ok(a, device_attribute_room(a, mnl_nlmsg_get_payload_tail(nlh))); (a) = mnl_attr_next(a))

#define device_attribute_for_each_nested(a, nest)                                                                      \
	for ((a) = mnl_attr_get_payload(nest);                                                                         \
		mnl_attr_ok(a, device_attribute_room(a,                                                                \
				       (const char *)mnl_attr_get_payload(nest) +                                      \
					       mnl_attr_get_payload_len(nest)));                                       \
		(a) = mnl_attr_next(a))
