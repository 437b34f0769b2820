/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Security keys as udev left them: does it know them for what they are, and may the broker's user open them? */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <systemd/sd-device.h>
#include <unistd.h>

#include "client/doctor.h"
#include "common/file.h"
#include "common/names.h"

#define TRIGGER "udevadm control --reload && udevadm trigger --subsystem-match=hidraw --action=change"
#define RULES "72-wgfido.rules"
#define USER "wgfido"

#define ACL_XATTR "system.posix_acl_access"
#define ACL_VERSION 2
enum acl_tag { ACL_USER_OBJ = 1, ACL_USER = 2, ACL_GROUP_OBJ = 4, ACL_GROUP = 8, ACL_MASK = 16, ACL_OTHER = 32 };

static uint32_t le(const uint8_t *p, size_t bytes)
{
	uint32_t value = 0;

	for (size_t i = bytes; i > 0; i--)
		value = value << 8 | p[i - 1];
	return value;
}

static bool in_groups(const struct doctor_user *user, uint32_t gid)
{
	for (size_t i = 0; i < user->n_groups; i++)
		if (user->groups[i] == gid)
			return true;
	return false;
}

static bool rw(uint32_t bits)
{
	return (bits & 6) == 6;
}

/* As acl(5) has it: the first of user, named users, groups, others that fits decides; among groups one that grants is enough. */
static bool acl_opens(const struct doctor_node *node, const struct doctor_user *user)
{
	uint32_t mask = 7, other = 0;
	bool group_fits = false, group_opens = false;
	const uint8_t *end = node->acl + node->acl_len;

	for (const uint8_t *e = node->acl + 4; e + 8 <= end; e += 8) {
		if (le(e, 2) == ACL_MASK)
			mask = le(e + 2, 2);
		else if (le(e, 2) == ACL_OTHER)
			other = le(e + 2, 2);
	}
	for (const uint8_t *e = node->acl + 4; e + 8 <= end; e += 8) {
		uint32_t tag = le(e, 2), bits = le(e + 2, 2), id = le(e + 4, 4);

		if (tag == ACL_USER_OBJ && node->uid == user->uid)
			return rw(bits);
		if (tag == ACL_USER && id == user->uid)
			return rw(bits & mask);
		if ((tag == ACL_GROUP_OBJ && in_groups(user, node->gid)) || (tag == ACL_GROUP && in_groups(user, id))) {
			group_fits = true;
			group_opens |= rw(bits & mask);
		}
	}
	return group_fits ? group_opens : rw(other);
}

bool doctor_node_opens(const struct doctor_node *node, const struct doctor_user *user)
{
	if (user->uid == 0)
		return true;
	if (node->acl_len >= 4 && le(node->acl, 4) == ACL_VERSION)
		return acl_opens(node, user);
	if (node->uid == user->uid)
		return rw(node->mode >> 6);
	if (in_groups(user, node->gid))
		return rw(node->mode >> 3);
	return rw(node->mode);
}

/* Items of HID 1.11, section 6.2.2: a prefix byte, of which the low two bits are the length, and 0xfe for long items. */
bool doctor_is_fido_descriptor(const uint8_t *descriptor, size_t len)
{
	for (size_t i = 0; i < len;) {
		uint8_t prefix = descriptor[i];
		size_t size = (prefix & 3) == 3 ? 4 : prefix & 3;

		if (prefix == 0xfe) {
			i += 3 + (i + 1 < len ? descriptor[i + 1] : 0u);
			continue;
		}
		if (i + 1 + size > len)
			return false;
		if ((prefix & 0xfc) == 0x04 && size && le(descriptor + i + 1, size) == 0xf1d0)
			return true;
		i += 1 + size;
	}
	return false;
}

/* The broker's user: the one it runs as, or would. */
static int find_user(const struct doctor *d, struct doctor_user *ret)
{
	struct doctor_user user = {.n_groups = sizeof(user.groups) / sizeof(*user.groups)};
	int n = (int)user.n_groups, r;
	sd_bus_creds *creds = NULL;
	struct passwd *pw = NULL;
	gid_t groups[64];
	uid_t uid;

	errno = 0;
	if (d->status->proxy->running &&
		sd_bus_get_name_creds(d->status->proxy->bus, WGFIDO_BUS_NAME, SD_BUS_CREDS_EUID, &creds) >= 0 &&
		sd_bus_creds_get_euid(creds, &uid) >= 0)
		pw = getpwuid(uid);
	sd_bus_creds_unref(creds);
	if (!pw)
		pw = getpwnam(USER);
	if (!pw)
		return -ENOENT;
	r = getgrouplist(pw->pw_name, pw->pw_gid, groups, &n);
	user.uid = pw->pw_uid;
	user.n_groups = r < 0 ? 0 : (size_t)n;
	for (size_t i = 0; i < user.n_groups; i++)
		user.groups[i] = groups[i];
	*ret = user;
	return 0;
}

static bool rule_is_there(void)
{
	static const char *const dirs[] = {WGFIDO_UDEVRULESDIR, "/etc/udev/rules.d", "/run/udev/rules.d", "/lib/udev/rules.d"};
	char path[512];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		snprintf(path, sizeof(path), "%s/" RULES, dirs[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static bool is_fido(sd_device *device)
{
	const char *syspath;
	char path[512], *text = NULL;
	size_t len;
	bool fido;

	if (sd_device_get_syspath(device, &syspath) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/device/report_descriptor", syspath);
	if (file_read(&text, &len, AT_FDCWD, path, 4096) < 0)
		return false;
	fido = doctor_is_fido_descriptor((const uint8_t *)text, len);
	free(text);
	return fido;
}

static int read_node(struct doctor_node *ret, const char *path)
{
	struct stat st;
	ssize_t n;

	if (stat(path, &st) < 0)
		return -errno;
	n = getxattr(path, ACL_XATTR, ret->acl, sizeof(ret->acl));
	ret->acl_len = n < 0 ? 0 : (size_t)n;
	ret->uid = st.st_uid;
	ret->gid = st.st_gid;
	ret->mode = st.st_mode;
	return 0;
}

static bool check_node(struct doctor *d, sd_device *device, const char *path, const struct doctor_user *user)
{
	struct doctor_node node;
	const char *value = "";
	int r;

	(void)sd_device_get_property_value(device, "ID_FIDO_TOKEN", &value);
	if (access("/run/udev/control", F_OK) < 0) {
		doctor_wrong(d, "systemctl start systemd-udevd && udevadm trigger --subsystem-match=hidraw --action=change",
			"udevd does not run, so nobody says what %s is and who may open it", path);
		return false;
	}
	if (strcmp(value, "1") || sd_device_has_tag(device, "security-device") <= 0) {
		doctor_wrong(d, TRIGGER, "%s is a security key, and udev does not take it for one (60-fido-id.rules of systemd does)", path);
		return false;
	}
	r = read_node(&node, path);
	if (r < 0) {
		doctor_wrong(d, TRIGGER, "%s has no device node: %s", path, strerror(-r));
		return false;
	}
	if (!doctor_node_opens(&node, user)) {
		doctor_wrong(d, rule_is_there() ? TRIGGER : "install wgfido anew, " RULES " is missing; then " TRIGGER,
			"The broker may not open the security key at %s", path);
		return false;
	}
	return true;
}

void doctor_check_udev(struct doctor *d)
{
	sd_device_enumerator *devices = NULL;
	struct doctor_user user;
	unsigned int n = 0, n_right = 0;

	/* A gateway has no keys; a test has those of whoever runs it. */
	if (d->gateway || *d->root)
		return;
	if (find_user(d, &user) < 0) {
		doctor_wrong(d, "systemd-sysusers", "There is no user " USER ", as which the broker runs");
		return;
	}
	if (sd_device_enumerator_new(&devices) < 0 || sd_device_enumerator_allow_uninitialized(devices) < 0 ||
		sd_device_enumerator_add_match_subsystem(devices, "hidraw", 1) < 0) {
		doctor_note(d, "Whether security keys are plugged in cannot be told here");
		sd_device_enumerator_unref(devices);
		return;
	}
	for (sd_device *device = sd_device_enumerator_get_device_first(devices); device;
		device = sd_device_enumerator_get_device_next(devices)) {
		const char *path;

		if (!is_fido(device) || sd_device_get_devname(device, &path) < 0)
			continue;
		n++;
		n_right += check_node(d, device, path, &user);
	}
	sd_device_enumerator_unref(devices);
	if (n && n == n_right && d->status->proxy->running && !d->status->proxy->n_tokens)
		doctor_wrong(d, "systemctl restart wgfidod", "The broker does not see the security key that is plugged in");
	else if (n && n == n_right)
		doctor_ok(d, "udev knows the security key%s, and the broker may open %s", n == 1 ? "" : "s", n == 1 ? "it" : "them");
	else if (!n && !rule_is_there())
		doctor_wrong(d, "install wgfido anew; then " TRIGGER,
			"The udev rule " RULES " is not installed, so the broker may not open security keys");
}
