/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/question.h"

int question_send(sd_bus *bus, sd_bus_message *m, sd_bus_message_handler_t handler, void *question, sd_bus_destroy_t destroy,
	uint64_t timeout_us)
{
	sd_bus_slot *slot = NULL;
	int r = sd_bus_call_async(bus, &slot, m, handler, question, timeout_us);

	if (r < 0) {
		destroy(question);
		return r;
	}
	sd_bus_slot_set_destroy_callback(slot, destroy);
	sd_bus_slot_set_floating(slot, 1);
	sd_bus_slot_unref(slot);
	return 0;
}
