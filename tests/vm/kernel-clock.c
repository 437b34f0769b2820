/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel-clock synchronised|unsynchronised: what an NTP client tells the kernel. The time stays as it is. */
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>

int main(int argc, char **argv)
{
	struct timex t = {.modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR};

	if (argc != 2 || (strcmp(argv[1], "synchronised") && strcmp(argv[1], "unsynchronised")))
		return 2;
	if (!strcmp(argv[1], "unsynchronised")) {
		t.status = STA_UNSYNC;
		t.maxerror = t.esterror = 16000000;
	}
	if (adjtimex(&t) < 0) {
		perror("adjtimex");
		return 1;
	}
	return 0;
}
