/* SPDX-License-Identifier: GPL-2.0-or-later */
/* a{sv} of the bus to the structs of proxy.h; proxy.c's other half. */
#pragma once

#include <systemd/sd-bus.h>

struct object_field;

/* The properties of one of our interfaces; NULL for an interface that is not ours. */
const struct object_field *object_fields(const char *interface);
/* Reads a{sv} into object; unknown names are skipped, a wrong type is -EBADMSG. */
int object_read_properties(sd_bus_message *m, const struct object_field *fields, void *object);
/* Strings are never NULL once an object was made, so that nobody has to ask. */
int object_init(const struct object_field *fields, void *object);
void object_clear(const struct object_field *fields, void *object);
