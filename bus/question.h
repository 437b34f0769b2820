/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A call whose answer comes later, with what its asker wants to know by then: whoever is asked. */
#pragma once

#include <systemd/sd-bus.h>

/* question is handler's userdata, and is destroyed behind the answer, with the connection, or when this fails. m stays the caller's. */
int question_send(sd_bus *bus, sd_bus_message *m, sd_bus_message_handler_t handler, void *question, sd_bus_destroy_t destroy,
	uint64_t timeout_us);
