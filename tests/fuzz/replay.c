/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main() of a fuzz target that is not linked with libFuzzer: runs the target once over every file that is named, or that
 * lies in a directory that is named. Under --enable-fuzzers this is empty and libFuzzer brings its own main().
 */
#ifndef WGFIDO_FUZZERS
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int n_replayed;

static int replay_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "re");
	/* exactly as long as the input, so that AddressSanitizer sees a read behind its end */
	uint8_t *data = malloc(size ? size : 1);
	int r = -1;

	if (f && data && fread(data, 1, size, f) == size) {
		LLVMFuzzerTestOneInput(data, size);
		n_replayed++;
		r = 0;
	} else {
		fprintf(stderr, "%s: cannot be read\n", path);
	}
	if (f)
		fclose(f);
	free(data);
	return r;
}

static int replay_path(const char *path)
{
	struct dirent **names;
	struct stat st;
	int n, r = 0;

	if (stat(path, &st) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	if (!S_ISDIR(st.st_mode))
		return replay_file(path, (size_t)st.st_size);
	n = scandir(path, &names, NULL, alphasort);
	if (n < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char *inside;

		if (names[i]->d_name[0] != '.') {
			if (asprintf(&inside, "%s/%s", path, names[i]->d_name) < 0)
				abort();
			if (replay_path(inside) < 0)
				r = -1;
			free(inside);
		}
		free(names[i]);
	}
	free(names);
	return r;
}

int main(int argc, char **argv)
{
	int r = 0;

	for (int i = 1; i < argc; i++)
		if (replay_path(argv[i]) < 0)
			r = 1;
	/* A corpus that went missing is a failure, not a success in no time. */
	if (n_replayed == 0) {
		fprintf(stderr, "usage: %s FILE|DIRECTORY...: nothing was replayed\n", argv[0]);
		return 1;
	}
	printf("%u inputs replayed\n", n_replayed);
	return r;
}
#endif
