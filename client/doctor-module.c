/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's WireGuard, as modprobe would find it when an interface is made. Nothing is loaded to find out. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "client/doctor.h"
#include "common/file.h"

#define MODULE "wireguard"
#define FILE_MAX (8u << 20) /* modules.dep of a big kernel has one */

/* Whether a line of the file names the module's file: kernel/drivers/net/wireguard/wireguard.ko[.xz], followed by ':' or nothing. */
static bool lists_module(const char *path)
{
	static const char file[] = "/" MODULE ".ko";
	char *text = NULL;
	bool found = false;
	size_t len;

	if (file_read(&text, &len, AT_FDCWD, path, FILE_MAX) < 0)
		return false;
	for (const char *line = text; line && *line && !found; line = strchr(line, '\n'), line += !!line) {
		size_t n = strcspn(line, ":\n");
		const char *hit = memmem(line, n, file, strlen(file));

		found = hit && !memchr(hit + 1, '/', n - (size_t)(hit + 1 - line));
	}
	free(text);
	return found;
}

/* "blacklist wireguard" keeps an interface from loading it, "install wireguard ..." whoever asks. */
static bool line_blocks(char *line)
{
	char *save, *verb = strtok_r(line, " \t", &save), *name = verb ? strtok_r(NULL, " \t", &save) : NULL;

	return name && (!strcmp(verb, "blacklist") || !strcmp(verb, "install")) && !strcmp(name, MODULE);
}

static bool file_blocks(const char *path)
{
	char *text = NULL, *save;
	bool found = false;
	size_t len;

	if (file_read(&text, &len, AT_FDCWD, path, FILE_MAX) < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &save); line && !found; line = strtok_r(NULL, "\n", &save))
		found = line_blocks(line);
	free(text);
	return found;
}

static bool directories_block(const char *root, char *ret_where, size_t size)
{
	static const char *const dirs[] = {"/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d",
		"/lib/modprobe.d"};
	char path[512];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		DIR *dir;

		snprintf(path, sizeof(path), "%s%s", root, dirs[i]);
		dir = opendir(path);
		for (struct dirent *e; dir && (e = readdir(dir));) {
			size_t len = strlen(e->d_name);

			if (len <= 5 || strcmp(e->d_name + len - 5, ".conf"))
				continue;
			snprintf(path, sizeof(path), "%s%s/%s", root, dirs[i], e->d_name);
			if (file_blocks(path)) {
				snprintf(ret_where, size, "%s", path);
				closedir(dir);
				return true;
			}
		}
		if (dir)
			closedir(dir);
	}
	return false;
}

/* modprobe.blacklist=a,b and module_blacklist=a,b. */
static bool command_line_blocks(const char *root)
{
	static const char *const keys[] = {"modprobe.blacklist=", "module_blacklist="};
	char path[512], *text = NULL, *save, *inner;
	bool found = false;
	size_t len;

	snprintf(path, sizeof(path), "%s/proc/cmdline", root);
	if (file_read(&text, &len, AT_FDCWD, path, FILE_MAX) < 0)
		return false;
	for (char *word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
		for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
			if (strncmp(word, keys[i], strlen(keys[i])))
				continue;
			for (char *name = strtok_r(word + strlen(keys[i]), ",", &inner); name; name = strtok_r(NULL, ",", &inner))
				found |= !strcmp(name, MODULE);
			break;
		}
	free(text);
	return found;
}

static bool is_there(const char *format_root, const char *path)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s%s", format_root, path);
	return access(whole, F_OK) == 0;
}

enum doctor_module doctor_module_find(const char *root, const char *release, char *ret_where, size_t size)
{
	char tree[256], path[512];

	if (size)
		ret_where[0] = 0;
	snprintf(tree, sizeof(tree), "/lib/modules/%s", release);
	snprintf(path, sizeof(path), "%s%s/modules.builtin", root, tree);
	if (lists_module(path))
		return DOCTOR_MODULE_BUILTIN;
	if (is_there(root, "/sys/module/" MODULE))
		return DOCTOR_MODULE_LOADED;
	snprintf(path, sizeof(path), "%s%s/modules.dep", root, tree);
	if (!lists_module(path))
		return is_there(root, tree) ? DOCTOR_MODULE_MISSING : DOCTOR_MODULE_NO_TREE;
	if (directories_block(root, ret_where, size))
		return DOCTOR_MODULE_BLOCKED;
	if (command_line_blocks(root)) {
		snprintf(ret_where, size, "the kernel's command line");
		return DOCTOR_MODULE_BLOCKED;
	}
	return DOCTOR_MODULE_LOADABLE;
}

/* Somebody who runs WireGuard in userspace does not need the kernel's. */
static const char *find_userspace(const struct doctor *d)
{
	static const char *const programs[] = {"/usr/bin/wireguard-go", "/usr/local/bin/wireguard-go", "/usr/bin/boringtun-cli",
		"/usr/local/bin/boringtun-cli", "/usr/bin/boringtun"};

	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (is_there(d->root, programs[i]))
			return programs[i];
	return NULL;
}

void doctor_check_module(struct doctor *d)
{
	const char *userspace = find_userspace(d);
	char where[512], mend[640];
	struct utsname uts;

	if (uname(&uts) < 0)
		return;
	switch (doctor_module_find(d->root, uts.release, where, sizeof(where))) {
	case DOCTOR_MODULE_LOADED:
	case DOCTOR_MODULE_BUILTIN:
	case DOCTOR_MODULE_LOADABLE:
		doctor_ok(d, "The kernel has WireGuard");
		return;
	case DOCTOR_MODULE_BLOCKED:
		snprintf(mend, sizeof(mend), "take " MODULE " out of %s", where);
		doctor_wrong(d, mend, "The kernel may not load its WireGuard");
		return;
	case DOCTOR_MODULE_NO_TREE:
	case DOCTOR_MODULE_MISSING:
		break;
	}
	if (userspace)
		doctor_note(d, "The kernel has no WireGuard; %s can do its work (docs/running.md, wg-quick)", userspace);
	else
		doctor_wrong(d, "restart the machine if its kernel was just upgraded; else install a kernel with the module, or wireguard-go",
			"The kernel (%s) has no module " MODULE, uts.release);
}
