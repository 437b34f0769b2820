/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the configuration socket asks for, done to the device, and told of it. The control thread's. */
#pragma once

#include "tunnel/control.h"
#include "tunnel/uapi.h"

/* Where a private key that is a handle (common/handle.h) leads: the program's. */
struct config_resident {
	/* 0 and *ret; -EOPNOTSUPP, -ENODEV, -EINVAL (not a handle of this tunnel's). NULL: resident keys are not supported. */
	int (*resolve)(void *userdata, const uint8_t handle[static KEY_SIZE], struct static_key **ret);
	void *userdata;
};

/*
 * Does a set request that parsed well. 0 or a negative errno. What can fail for a reason of the request's or the system's (the key,
 * the port, the mark) comes first and changes nothing when it fails; after that only lack of memory stops it half way.
 */
int config_set(struct control *c, struct uapi_request *q, const struct config_resident *resident, struct instant now);

/* The answer to get=1 without its errno, in guarded memory of the caller's (sodium_free). NULL: no memory. */
char *config_get(const struct control *c, size_t *ret_len);
