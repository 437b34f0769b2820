/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time, by which both ends find the slot: 50 s off cost nothing, more makes the gateway hunt. */
#include <sys/timex.h>

#include "client/doctor.h"

#define MAXERROR_UNKNOWN 16000000 /* the kernel's NTP_PHASE_LIMIT, us: what it says when nobody has told it better */

/*
 * STA_UNSYNC alone says little: programs that do not want the kernel to write the hardware clock leave it set. An error that is
 * bounded is known to somebody. timedated tells them apart in the same way.
 */
bool doctor_clock_synchronised(const struct timex *t)
{
	return !(t->status & STA_UNSYNC) || t->maxerror < MAXERROR_UNKNOWN;
}

static const char *mend(const struct doctor *d)
{
	int can = 0;

	if (!d->status->proxy->bus)
		return "start chrony, ntpd or another NTP client";
	if (sd_bus_get_property_trivial(d->status->proxy->bus, "org.freedesktop.timedate1", "/org/freedesktop/timedate1",
		    "org.freedesktop.timedate1", "CanNTP", NULL, 'b', &can) < 0 || !can)
		return "apt-get install systemd-timesyncd";
	return "timedatectl set-ntp true";
}

void doctor_check_clock(struct doctor *d)
{
	struct timex t = {};

	if (adjtimex(&t) < 0)
		doctor_note(d, "Whether the clock is synchronised cannot be told here");
	else if (doctor_clock_synchronised(&t))
		doctor_ok(d, "The clock is synchronised");
	else if (d->wants.clock)
		doctor_wrong(d, mend(d), "The clock is not synchronised, which preshared keys that change need");
	else
		doctor_note(d, "The clock is not synchronised; no tunnel here needs it to be");
}
