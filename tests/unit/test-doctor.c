/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What doctor decides from what it read: units, nodes and their ACLs, report descriptors, the kernel's module, the clock. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <ftw.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include "client/doctor.h"

static enum doctor_unit_state judge(const char *load, const char *active, const char *file, bool at_boot)
{
	struct doctor_unit u = {(char *)load, (char *)active, (char *)"", (char *)file, (char *)""};

	return doctor_unit_judge(&u, at_boot);
}

static void test_units(void **state)
{
	(void)state;
	assert_int_equal(judge("loaded", "active", "enabled", true), DOCTOR_UNIT_OK);
	assert_int_equal(judge("loaded", "reloading", "enabled-runtime", true), DOCTOR_UNIT_OK);
	assert_int_equal(judge("loaded", "active", "static", true), DOCTOR_UNIT_OK);
	assert_int_equal(judge("loaded", "active", "disabled", false), DOCTOR_UNIT_OK);
	assert_int_equal(judge("loaded", "active", "disabled", true), DOCTOR_UNIT_NOT_AT_BOOT);
	assert_int_equal(judge("not-found", "inactive", "", true), DOCTOR_UNIT_ABSENT);
	assert_int_equal(judge("not-found", "active", "", true), DOCTOR_UNIT_ABSENT);
	assert_int_equal(judge("masked", "inactive", "masked", true), DOCTOR_UNIT_MASKED);
	assert_int_equal(judge("bad-setting", "inactive", "enabled", true), DOCTOR_UNIT_BROKEN);
	assert_int_equal(judge("error", "inactive", "enabled", true), DOCTOR_UNIT_BROKEN);
	assert_int_equal(judge("loaded", "failed", "enabled", true), DOCTOR_UNIT_FAILED);
	assert_int_equal(judge("loaded", "activating", "enabled", true), DOCTOR_UNIT_RESTARTING);
	assert_int_equal(judge("loaded", "inactive", "enabled", true), DOCTOR_UNIT_STOPPED);
	assert_int_equal(judge("loaded", "deactivating", "enabled", false), DOCTOR_UNIT_STOPPED);
}

static void test_node(void **state)
{
	static const struct doctor_user user = {995, 2, {995, 46}}, root = {.uid = 0};
	struct doctor_node node = {.uid = 0, .gid = 995, .mode = 0660};

	(void)state;
	assert_true(doctor_node_opens(&node, &user));
	node.mode = 0640;
	assert_false(doctor_node_opens(&node, &user));
	assert_true(doctor_node_opens(&node, &root));
	node.mode = 0606;
	assert_false(doctor_node_opens(&node, &user)); /* its group decides, and may not */
	node.gid = 0;
	assert_true(doctor_node_opens(&node, &user));
	node.mode = 0600;
	assert_false(doctor_node_opens(&node, &user));
	node.gid = 46;
	node.mode = 0660;
	assert_true(doctor_node_opens(&node, &user));
	node.uid = 995;
	node.mode = 0060;
	assert_false(doctor_node_opens(&node, &user));
	node.mode = 0600;
	assert_true(doctor_node_opens(&node, &user));
}

static void acl_add(struct doctor_node *node, uint8_t tag, uint8_t perm, uint32_t id)
{
	uint8_t *e = node->acl + node->acl_len;

	if (!node->acl_len) {
		memcpy(node->acl, "\2\0\0\0", 4);
		e += 4;
		node->acl_len = 4;
	}
	e[0] = tag, e[1] = 0, e[2] = perm, e[3] = 0;
	for (int i = 0; i < 4; i++)
		e[4 + i] = (uint8_t)(id >> 8 * i);
	node->acl_len += 8;
}

/* user::rw-, user:995:perm, group::gperm, mask::mask, other::--- */
static struct doctor_node with_acl(uint8_t perm, uint8_t gperm, uint8_t mask, uint32_t gid)
{
	struct doctor_node node = {.uid = 0, .gid = gid, .mode = 0660};

	acl_add(&node, 1, 6, UINT32_MAX);
	if (perm != 255)
		acl_add(&node, 2, perm, 995);
	acl_add(&node, 4, gperm, UINT32_MAX);
	acl_add(&node, 8, 6, 46);
	acl_add(&node, 16, mask, UINT32_MAX);
	acl_add(&node, 32, 0, UINT32_MAX);
	return node;
}

static void test_acl(void **state)
{
	static const struct doctor_user user = {995, 1, {995}}, plugdev = {995, 2, {995, 46}}, other = {1000, 1, {1000}};
	struct doctor_node node = with_acl(6, 0, 6, 0);

	(void)state;
	assert_true(doctor_node_opens(&node, &user));
	assert_false(doctor_node_opens(&node, &other)); /* the mode's group bits are the mask */
	node = with_acl(6, 6, 4, 0);
	assert_false(doctor_node_opens(&node, &user));
	node = with_acl(4, 6, 6, 995);
	assert_false(doctor_node_opens(&node, &user)); /* the user's own entry decides */
	node = with_acl(255, 6, 6, 995);
	assert_true(doctor_node_opens(&node, &user));
	node = with_acl(255, 0, 6, 0);
	assert_false(doctor_node_opens(&node, &user));
	assert_true(doctor_node_opens(&node, &plugdev));
	/* Cut short, or of a kind nobody knows: no more is granted, and nothing is read beyond. */
	node.acl_len = 5;
	assert_false(doctor_node_opens(&node, &user));
	node = with_acl(6, 6, 6, 0);
	node.acl[0] = 3;
	assert_false(doctor_node_opens(&node, &user));
}

static void test_descriptor(void **state)
{
	static const uint8_t fido[] = {0x06, 0xd0, 0xf1, 0x09, 0x01, 0xa1, 0x01}, keyboard[] = {0x05, 0x01, 0x09, 0x06, 0xa1, 0x01},
			     second[] = {0x05, 0x01, 0x09, 0x06, 0xc0, 0x06, 0xd0, 0xf1}, data[] = {0x26, 0x06, 0xd0, 0x26, 0xd0, 0xf1},
			     longer[] = {0xfe, 0x02, 0x00, 0x06, 0xd0, 0x06, 0xd0, 0xf1}, four[] = {0x07, 0xd0, 0xf1, 0, 0};

	(void)state;
	assert_true(doctor_is_fido_descriptor(fido, sizeof(fido)));
	assert_true(doctor_is_fido_descriptor(second, sizeof(second)));
	assert_true(doctor_is_fido_descriptor(longer, sizeof(longer)));
	assert_true(doctor_is_fido_descriptor(four, sizeof(four)));
	assert_false(doctor_is_fido_descriptor(keyboard, sizeof(keyboard)));
	assert_false(doctor_is_fido_descriptor(data, sizeof(data))); /* the bytes, but not as an item */
	assert_false(doctor_is_fido_descriptor(fido, 2));
	assert_false(doctor_is_fido_descriptor(fido, 0));
	assert_false(doctor_is_fido_descriptor(longer, 1));
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static char root[32];

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/wgfido-doctor.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* With the directories on the way. */
static void put(const char *path, const char *text)
{
	char whole[256];
	FILE *f;

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	for (char *s = whole + strlen(root) + 1; (s = strchr(s, '/')); s++) {
		*s = 0;
		(void)mkdir(whole, 0700);
		*s = '/';
	}
	f = fopen(whole, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

#define TREE "/lib/modules/6.1.0-test/"
#define DEP "kernel/net/a.ko.xz: kernel/b.ko.xz\nkernel/drivers/net/wireguard/wireguard.ko.xz: kernel/net/c.ko.xz\n"

static void finds(enum doctor_module expected, const char *expected_where)
{
	char where[256];

	assert_int_equal(doctor_module_find(root, "6.1.0-test", where, sizeof(where)), expected);
	if (*expected_where == '/')
		assert_string_equal(where + strlen(root), expected_where);
	else
		assert_string_equal(where, expected_where);
}

static void test_module(void **state)
{
	(void)state;
	finds(DOCTOR_MODULE_NO_TREE, "");
	put(TREE "modules.dep", "kernel/x.ko: kernel/drivers/net/wireguard/wireguard.ko\nkernel/wireguard.ko.d/y.ko:\n");
	finds(DOCTOR_MODULE_MISSING, "");
	put(TREE "modules.dep", DEP);
	finds(DOCTOR_MODULE_LOADABLE, "");
	put("/proc/cmdline", "quiet modprobe.blacklist=a,wireguard,b root=/dev/vda\n");
	finds(DOCTOR_MODULE_BLOCKED, "the kernel's command line");
	put("/proc/cmdline", "quiet modprobe.blacklist=a,wireguardian x=modprobe.blacklist=wireguard\n");
	put("/etc/modprobe.d/no.conf", "# blacklist wireguard\nblacklist wireguardian\noptions wireguard x=1\n");
	put("/etc/modprobe.d/no.txt", "blacklist wireguard\n");
	finds(DOCTOR_MODULE_LOADABLE, "");
	put("/usr/lib/modprobe.d/no.conf", "  blacklist\twireguard\n");
	finds(DOCTOR_MODULE_BLOCKED, "/usr/lib/modprobe.d/no.conf");
	put("/usr/lib/modprobe.d/no.conf", "install wireguard /bin/false");
	finds(DOCTOR_MODULE_BLOCKED, "/usr/lib/modprobe.d/no.conf");
	/* What is there already is not kept out by anything. */
	put("/sys/module/wireguard/version", "1\n");
	finds(DOCTOR_MODULE_LOADED, "");
	put(TREE "modules.builtin", "kernel/drivers/net/wireguard/wireguard.ko\n");
	finds(DOCTOR_MODULE_BUILTIN, "");
}

static void test_clock(void **state)
{
	struct timex t = {.status = STA_UNSYNC, .maxerror = 16000000};

	(void)state;
	assert_false(doctor_clock_synchronised(&t));
	t.maxerror = 500000; /* chrony without rtcsync */
	assert_true(doctor_clock_synchronised(&t));
	t.maxerror = 16000000;
	t.status = STA_PLL;
	assert_true(doctor_clock_synchronised(&t));
}

static void test_wants(void **state)
{
	struct config_peer peers[2] = {{.schedule = CONFIG_SCHEDULE_STATIC, .has_token_public_key = true},
		{.schedule = CONFIG_SCHEDULE_TIME}};
	struct config c = {.mode = CONFIG_MODE_PSK, .end_on = CONFIG_END_SUSPEND, .n_peers = 1, .peers = peers};
	struct doctor_wants w = {};

	(void)state;
	doctor_wants_add(&w, &c);
	assert_true(w.gateway_side && !w.token_side && !w.clock);
	c.n_peers = 2;
	c.end_on = CONFIG_END_LOCK;
	doctor_wants_add(&w, &c);
	assert_true(w.gateway_side && w.token_side && w.clock);
	assert_int_equal(w.end_on, CONFIG_END_SUSPEND | CONFIG_END_LOCK);
	w = (struct doctor_wants){};
	c.mode = CONFIG_MODE_IDENTITY;
	doctor_wants_add(&w, &c);
	assert_true(w.token_side && !w.clock);
}

/* Where somebody put a link for the directory, the command does nothing. */
static void test_chown_words(void **state)
{
	char dir[] = "/tmp/wgfido-doctor-XXXXXX", keys[64], moved[64], key[96], words[1024], command[1200];
	const struct passwd *pw = getpwuid(geteuid());

	(void)state;
	assert_non_null(pw);
	assert_non_null(mkdtemp(dir));
	snprintf(keys, sizeof(keys), "%s/a b", dir);
	snprintf(moved, sizeof(moved), "%s/moved", dir);
	snprintf(key, sizeof(key), "%s/wg0.key", keys);
	assert_int_equal(mkdir(keys, 0700), 0);
	fclose(fopen(key, "w"));
	doctor_chown_words(words, sizeof(words), key, pw->pw_name);
	assert_non_null(strstr(words, " && chown -h "));
	snprintf(command, sizeof(command), "%s 2>&1", words);
	assert_int_equal(system(command), 0);
	assert_int_equal(rename(keys, moved), 0);
	assert_int_equal(symlink(moved, keys), 0);
	assert_int_not_equal(system(command), 0);
	assert_int_equal(unlink(key), 0);
	assert_int_equal(unlink(keys), 0);
	assert_int_equal(rmdir(moved), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_acl),
		cmocka_unit_test(test_descriptor),
		cmocka_unit_test_setup_teardown(test_module, set_up, tear_down),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_wants),
		cmocka_unit_test(test_chown_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
