/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/settle.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int give_back(struct dl_phdr_info *info, size_t size, void *userdata)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)userdata;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *const h = &info->dlpi_phdr[i];
		const uintptr_t from = (info->dlpi_addr + h->p_vaddr) & ~(page - 1);
		const uintptr_t to = (info->dlpi_addr + h->p_vaddr + h->p_memsz) & ~(page - 1);

		/* Of what may be written to there is no copy in the file. Locked memory stays (EINVAL), and so it should. */
		if (h->p_type == PT_LOAD && !(h->p_flags & PF_W) && to > from)
			(void)madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void settle(void)
{
	malloc_trim(0);
	(void)dl_iterate_phdr(give_back, NULL);
}
