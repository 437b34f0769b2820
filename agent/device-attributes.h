/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libmnl's loops over messages and attributes, with the conversions that -Wconversion wants to see written, and lengths compared
 * as what they are: mnl_nlmsg_ok() takes a length beyond 2 GiB for a negative one and lets it pass.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>

static inline bool device_message_ok(const struct nlmsghdr *nlh, size_t left)
{
	return left >= sizeof(*nlh) && nlh->nlmsg_len >= sizeof(*nlh) && nlh->nlmsg_len <= left;
}

static inline const struct nlmsghdr *device_message_next(const struct nlmsghdr *nlh, size_t *left)
{
	/* The last one need not be padded. */
	const size_t len = ((size_t)nlh->nlmsg_len + NLMSG_ALIGNTO - 1) / NLMSG_ALIGNTO * NLMSG_ALIGNTO;

	*left -= len < *left ? len : *left;
	return (const struct nlmsghdr *)(const void *)((const char *)nlh + len);
}

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
