/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"

#define KEY_A "YTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
#define KEY_B "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
#define KEY_C "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA="
#define KEY_ZERO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* Allocations of the parser fail once this has counted down; negative: never. */
static int alloc_fails_in = -1;

static bool alloc_fails(void)
{
	if (alloc_fails_in > 0)
		alloc_fails_in--;
	else if (alloc_fails_in == 0)
		return true;
	return false;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return alloc_fails() ? NULL : __real_calloc(n, size);
}

void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return alloc_fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
char *__wrap_strdup(const char *s)
{
	return alloc_fails() ? NULL : __real_strdup(s);
}

static struct config *parse(const char *text)
{
	struct config *c = NULL;
	char *error = NULL;
	int r = config_parse(&c, &error, "office.conf", "office", text, strlen(text));

	if (r < 0)
		print_error("%s\n", error ? error : "no message");
	assert_int_equal(r, 0);
	assert_null(error);
	return c;
}

static void assert_key(const uint8_t key[static KEY_SIZE], const char *expected)
{
	char text[KEY_BASE64_SIZE];

	key_to_base64(text, key);
	assert_string_equal(text, expected);
}

static void test_defaults(void **state)
{
	struct config *c = parse("[Interface]\nMode = psk\nPublicKey = " KEY_A "\n");

	(void)state;
	assert_string_equal(c->ifname, "office");
	assert_int_equal(c->mode, CONFIG_MODE_PSK);
	assert_true(c->has_public_key);
	assert_key(c->public_key, KEY_A);
	assert_null(c->name);
	assert_int_equal(c->lifetime_seconds, 8 * 3600);
	assert_int_equal(c->scope, CONFIG_SCOPE_TUNNEL);
	assert_int_equal(c->end_on, CONFIG_END_SUSPEND);
	assert_int_equal(c->on_close, CONFIG_ON_CLOSE_KEEP);
	assert_int_equal(c->slot_seconds, 120);
	assert_int_equal(c->n_peers, 0);
	config_free(c);
	assert_null(config_free(NULL));
}

static void test_everything(void **state)
{
	struct config *c = parse("\xef\xbb\xbf# a comment\r\n"
				 "  [interface] # here too\r\n"
				 "\tmode=PSK\r\n"
				 "PublicKey\t=\t" KEY_A " ; and here\r\n"
				 "\r\n"
				 "Name = Das Büro\r\n"
				 "ApprovalLifetime = 1h30m\r\n"
				 "ApprovalScope = peer\r\n"
				 "EndOn = lock , Logout\r\n"
				 "OnClose = Deactivate\r\n"
				 "SlotSeconds = 2\r\n"
				 "NetworkManager = dc8a4439-e4b5-4d70-ae4f-f7026c3ac7c4\r\n"
				 "[Peer]\r\n"
				 "PublicKey = " KEY_C "\r\n"
				 "TokenPublicKey = " KEY_A "\r\n"
				 "PresharedKeyFile = /etc/wgfido/a=b.psk\r\n"
				 "Schedule = static\r\n"
				 "Name = gateway\r\n"
				 "[Peer]\r\n"
				 "WindowKeys = 12h at 16:00\r\n"
				 "WindowKeysFile = /etc/wgfido/wg0.windows\r\n"
				 "TokenPublicKey = " KEY_C "\r\n"
				 "   PublicKey = " KEY_B); /* and no final newline */
	uint8_t key[KEY_SIZE];

	(void)state;
	assert_string_equal(c->name, "Das Büro");
	assert_int_equal(c->lifetime_seconds, 5400);
	assert_int_equal(c->scope, CONFIG_SCOPE_PEER);
	assert_int_equal(c->end_on, CONFIG_END_LOCK | CONFIG_END_LOGOUT);
	assert_int_equal(c->on_close, CONFIG_ON_CLOSE_DEACTIVATE);
	assert_int_equal(c->slot_seconds, 2);
	assert_string_equal(c->nm_uuid, "dc8a4439-e4b5-4d70-ae4f-f7026c3ac7c4");
	assert_int_equal(c->n_peers, 2);
	/* in the file's order */
	assert_key(c->peers[0].public_key, KEY_C);
	assert_true(c->peers[0].has_token_public_key);
	assert_key(c->peers[0].token_public_key, KEY_A);
	assert_string_equal(c->peers[0].preshared_key_file, "/etc/wgfido/a=b.psk");
	assert_int_equal(c->peers[0].schedule, CONFIG_SCHEDULE_STATIC);
	assert_string_equal(c->peers[0].name, "gateway");
	assert_int_equal(c->peers[0].line, 13);
	assert_false(c->peers[0].has_window_keys);
	assert_null(c->peers[0].window_keys_file);
	assert_key(c->peers[1].public_key, KEY_B);
	assert_true(c->peers[1].has_window_keys);
	assert_int_equal(c->peers[1].window_keys.seconds, 12 * 3600);
	assert_int_equal(c->peers[1].window_keys.offset, 4 * 3600);
	assert_string_equal(c->peers[1].window_keys_file, "/etc/wgfido/wg0.windows");
	assert_null(c->peers[1].preshared_key_file);
	assert_int_equal(c->peers[1].schedule, CONFIG_SCHEDULE_TIME);
	assert_null(c->peers[1].name);
	assert_int_equal(c->peers[1].line, 19);
	assert_int_equal(key_from_base64(key, KEY_B), 0);
	assert_ptr_equal(config_find_peer(c, key), &c->peers[1]);
	assert_int_equal(key_from_base64(key, KEY_A), 0);
	assert_null(config_find_peer(c, key));
	config_free(c);
}

static void test_identity(void **state)
{
	struct config *c = parse("[Peer]\nPublicKey=" KEY_B "\n[Interface]\nMode = identity\nEndOn = none\n"
				 "ApprovalScope = global\nApprovalLifetime = 24h\n");

	(void)state;
	assert_int_equal(c->mode, CONFIG_MODE_IDENTITY);
	assert_false(c->has_public_key);
	assert_int_equal(c->end_on, 0);
	assert_int_equal(c->scope, CONFIG_SCOPE_GLOBAL);
	assert_int_equal(c->lifetime_seconds, 86400);
	assert_int_equal(c->n_peers, 1);
	config_free(c);
}

#define HEAD "[Interface]\nMode = psk\nPublicKey = " KEY_A "\n" /* 3 lines */
#define PEER "[Peer]\nPublicKey = " KEY_B "\n"			  /* 2 lines */

static const struct {
	const char *text;
	const char *error;
} bad[] = {
	{ "", "office.conf:1: there is no [Interface] section" },
	{ "# nothing\n\n", "office.conf:2: there is no [Interface] section" },
	{ PEER, "office.conf:2: there is no [Interface] section" },
	{ "Mode = psk\n", "office.conf:1: \"Mode\" stands before the first section; put it under [Interface] or [Peer]" },
	{ "[Interface]\n", "office.conf:1: [Interface] has no Mode; add \"Mode = psk\" or \"Mode = identity\"" },
	{ "\n[Interface]\nMode = psk\n" PEER,
		"office.conf:2: [Interface] has no PublicKey; Mode = psk needs this side's WireGuard public key" },
	{ HEAD "\n# a comment\n" PEER "Foo = 1\n",
		"office.conf:8: unknown key \"Foo\" in [Peer]; allowed: PublicKey, Name, TokenPublicKey, PresharedKeyFile, "
		"Schedule, WindowKeys, WindowKeysFile" },
	{ HEAD "PrivateKey = " KEY_B "\n",
		"office.conf:4: unknown key \"PrivateKey\" in [Interface]; allowed: Mode, PublicKey, Name, ApprovalLifetime, "
		"ApprovalScope, EndOn, OnClose, SlotSeconds, NetworkManager" },
	{ HEAD "Schedule = time\n",
		"office.conf:4: unknown key \"Schedule\" in [Interface]; allowed: Mode, PublicKey, Name, ApprovalLifetime, "
		"ApprovalScope, EndOn, OnClose, SlotSeconds, NetworkManager" },
	{ "[Interface]\nMode = both\n", "office.conf:2: Mode = both is unknown; allowed: psk, identity" },
	{ "[Interface]\nMode =\n", "office.conf:2: Mode has no value" },
	{ "[Interface]\nMode = # psk\n", "office.conf:2: Mode has no value" },
	{ "[Interface]\nMode = psk\nmode = psk\n", "office.conf:3: Mode is given twice in this [Interface], first in line 2" },
	{ "[Interface]\nPublicKey = AAAA\n",
		"office.conf:2: PublicKey is not a key: allowed are the 44 characters of base64 that wg(8) prints" },
	{ "[Interface]\nPublicKey = " KEY_ZERO "\n", "office.conf:2: PublicKey is all zeros, which is nobody's key" },
	{ HEAD HEAD, "office.conf:4: a second [Interface], the first is in line 1" },
	{ HEAD "[Peers]\n", "office.conf:4: unknown section \"[Peers]\"; allowed: [Interface], [Peer]" },
	{ HEAD "[Peer\n", "office.conf:4: unknown section \"[Peer\"; allowed: [Interface], [Peer]" },
	{ HEAD "[Peer]\nName = x\n", "office.conf:4: [Peer] has no PublicKey; add the peer's WireGuard public key" },
	{ HEAD "[Peer]\n" PEER, "office.conf:4: [Peer] has no PublicKey; add the peer's WireGuard public key" },
	{ HEAD PEER "\n" PEER,
		"office.conf:7: this [Peer] has the PublicKey of the one in line 4; remove one of the two" },
	{ HEAD "[Peer]\nPublicKey = " KEY_A "\n",
		"office.conf:4: this [Peer] has the PublicKey of the [Interface], which is this side" },
	{ HEAD "Name = 123456789012345678901234567890123456789012345678x\n",
		"office.conf:4: Name is too long: allowed are 48 bytes" },
	{ HEAD "Name = a\x1b[31m\n", "office.conf:4: the line has a control character or is not UTF-8" },
	{ HEAD "Name = a\xff\n", "office.conf:4: the line has a control character or is not UTF-8" },
	{ HEAD "Name = a\rb\n", "office.conf:4: the line has a control character or is not UTF-8" },
	{ HEAD "ApprovalLifetime = 25h\n",
		"office.conf:4: ApprovalLifetime is not a duration that is allowed: 1s to 24h, such as 8h, 90m or 1h30m" },
	{ HEAD "ApprovalLifetime = 0\n",
		"office.conf:4: ApprovalLifetime is not a duration that is allowed: 1s to 24h, such as 8h, 90m or 1h30m" },
	{ HEAD "ApprovalScope = all\n", "office.conf:4: ApprovalScope = all is unknown; allowed: peer, tunnel, global" },
	{ HEAD "EndOn = suspend,\n",
		"office.conf:4: EndOn = suspend, is unknown; allowed: none, or a list of suspend, lock, logout with commas "
		"between" },
	{ HEAD "OnClose = down\n", "office.conf:4: OnClose = down is unknown; allowed: keep, deactivate" },
	{ HEAD "EndOn = none,lock\n",
		"office.conf:4: EndOn = none,lock is unknown; allowed: none, or a list of suspend, lock, logout with commas "
		"between" },
	{ HEAD "EndOn = suspendx\n",
		"office.conf:4: EndOn = suspendx is unknown; allowed: none, or a list of suspend, lock, logout with commas "
		"between" },
	{ HEAD "NetworkManager = office\n", "office.conf:4: NetworkManager is no UUID of a connection: `nmcli connection` lists them" },
	{ HEAD "SlotSeconds = 7\n", "office.conf:4: SlotSeconds is not allowed: a divisor of 3600 from 2 to 120" },
	{ HEAD PEER "Schedule = handshake\n", "office.conf:6: Schedule = handshake is unknown; allowed: time, static" },
	{ HEAD PEER "PresharedKeyFile = psk\n",
		"office.conf:6: PresharedKeyFile must be an absolute path: the services have no working directory" },
	{ HEAD PEER "WindowKeysFile = wg0.windows\n",
		"office.conf:6: WindowKeysFile must be an absolute path: the services have no working directory" },
	{ HEAD PEER "TokenPublicKey = " KEY_C "\nWindowKeys = 90m\n",
		"office.conf:7: WindowKeys is not allowed: whole hours from 1h to 7d, such as 24h, 12h or \"24h at 04:00\" (UTC)" },
	{ HEAD PEER "WindowKeys = 24h\n[Peer]\nPublicKey = " KEY_B "\n",
		"office.conf:6: WindowKeys is of a peer with a token: add its TokenPublicKey (window keys that a peer made are a WindowKeysFile)" },
	{ HEAD PEER "WindowKeysFile = /w\nSchedule = static\n", "office.conf:6: window keys need Schedule = time" },
	{ HEAD PEER "Schedule = static\nTokenPublicKey = " KEY_C "\nWindowKeys = 24h\n", "office.conf:8: window keys need Schedule = time" },
	{ "[Interface]\nMode = identity\n" PEER "WindowKeysFile = /w\n", "office.conf:5: WindowKeysFile needs Mode = psk" },
	{ HEAD "just words\n", "office.conf:4: this is neither [Section] nor Key = value" },
	{ HEAD "Name: x = y\n", "office.conf:4: this is neither [Section] nor Key = value" },
	{ HEAD "= x\n", "office.conf:4: this is neither [Section] nor Key = value" },
	{ "[Interface]\nMode = identity\nApprovalScope = peer\n",
		"office.conf:3: ApprovalScope = peer needs Mode = psk, an identity opens every peer; allowed: tunnel, global" },
	{ PEER "Schedule = time\n[Interface]\nMode = identity\n", "office.conf:3: Schedule needs Mode = psk" },
	{ "[Interface]\nMode = identity\n" PEER "TokenPublicKey = " KEY_C "\nSchedule = time\n",
		"office.conf:5: TokenPublicKey needs Mode = psk" },
	/* a stray private key is not told again */
	{ HEAD "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA8=\n",
		"office.conf:4: unknown key in [Interface]; allowed: Mode, PublicKey, Name, ApprovalLifetime, "
		"ApprovalScope, EndOn, OnClose, SlotSeconds, NetworkManager" },
	{ "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA8=\n",
		"office.conf:1: \"...\" stands before the first section; put it under [Interface] or [Peer]" },
	/* only the first error counts */
	{ HEAD "Foo = 1\nBar = 2\n[Baz]\n",
		"office.conf:4: unknown key \"Foo\" in [Interface]; allowed: Mode, PublicKey, Name, ApprovalLifetime, "
		"ApprovalScope, EndOn, OnClose, SlotSeconds, NetworkManager" },
};

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct config *c = NULL;
		char *error = NULL;

		assert_int_equal(config_parse(&c, &error, "office.conf", "office", bad[i].text, strlen(bad[i].text)), -EINVAL);
		assert_null(c);
		assert_non_null(error);
		assert_string_equal(error, bad[i].error);
		free(error);
	}
}

/* An indented line is a line of its own, not inih's continuation of the one before. */
static void test_indented(void **state)
{
	static const char text[] = HEAD "Name = one\n   two\n";
	struct config *c = NULL;
	char *error = NULL;

	(void)state;
	assert_int_equal(config_parse(&c, &error, "x", "x", text, strlen(text)), -EINVAL);
	assert_string_equal(error, "x:5: this is neither [Section] nor Key = value");
	free(error);
}

static void test_nul_and_long(void **state)
{
	static const char nul[] = HEAD "Name = a\0b\n";
	char line[5000], *error = NULL;
	struct config *c = NULL;

	(void)state;
	assert_int_equal(config_parse(&c, &error, "x", "x", nul, sizeof(nul) - 1), -EINVAL);
	assert_string_equal(error, "x:4: the line has a control character or is not UTF-8");
	free(error);
	/* in a comment neither does harm */
	memset(line, 'x', sizeof(line));
	memcpy(line, HEAD "#", strlen(HEAD "#"));
	line[4000] = '\0';
	line[4001] = '\n';
	assert_int_equal(config_parse(&c, &error, "x", "x", line, 4002), 0);
	c = config_free(c);
	assert_int_equal(config_parse(&c, &error, "x", "x", line, 4900), -EINVAL);
	assert_non_null(strstr(error, "x:5: the line is too long: allowed are "));
	free(error);
	assert_int_equal(config_parse(&c, &error, "x", "../x", HEAD, strlen(HEAD)), -EINVAL);
	free(error);
}

/* Whatever allocation fails: -ENOMEM and nothing is leaked. */
static void test_out_of_memory(void **state)
{
	static const char text[] = HEAD "Name = x\n" PEER "Name = y\nPresharedKeyFile = /x\n[Peer]\nPublicKey = " KEY_C "\n";
	struct config *c = NULL;
	char *error = NULL;
	int n = 0, r;

	(void)state;
	do {
		alloc_fails_in = n++;
		r = config_parse(&c, &error, "x", "x", text, strlen(text));
		alloc_fails_in = -1;
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_null(c);
		assert_null(error);
	} while (n < 100);
	assert_int_equal(r, 0);
	assert_true(n > 5);
	config_free(c);
}

#define N_MANY 10000

/* The cost per peer must not grow with their number: a quadratic search would be seen in minutes here. */
static void test_many_peers(void **state)
{
	char *text = NULL, base64[KEY_BASE64_SIZE], *error = NULL;
	uint8_t key[KEY_SIZE] = { 1 };
	struct config *c = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_non_null(f);
	fputs(HEAD, f);
	for (uint32_t i = 0; i < N_MANY; i++) {
		const uint32_t scattered = i * 2654435761u;

		memcpy(key + 4, &scattered, sizeof(scattered));
		key_to_base64(base64, key);
		fprintf(f, "[Peer]\nPublicKey = %s\n", base64);
	}
	fclose(f);
	assert_int_equal(config_parse(&c, &error, "x", "x", text, len), 0);
	assert_int_equal(c->n_peers, N_MANY);
	for (uint32_t i = 0; i < N_MANY; i++) {
		const uint32_t scattered = i * 2654435761u;

		memcpy(key + 4, &scattered, sizeof(scattered));
		assert_ptr_equal(config_find_peer(c, key), &c->peers[i]);
	}
	key[0] = 2;
	assert_null(config_find_peer(c, key));
	config_free(c);
	free(text);
}

static void write_file(const char *dir, const char *name, const char *text, mode_t mode)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	fclose(f);
}

static void remove_file(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(remove(path), 0);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/wgfido-test-config.XXXXXX", path[256], *error = NULL, **list = NULL;
	struct config *c = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(config_load(&c, &error, dir, "wg0"), -ENOENT);
	assert_null(error);
	write_file(dir, "wg1.conf", "[Interface]\nMode = identity\n", 0600);
	write_file(dir, "wg0.conf", HEAD PEER, 0600);
	write_file(dir, "bad.conf", "x\n", 0600);
	write_file(dir, "far-too-long-a-name.conf", "x\n", 0600);
	write_file(dir, "not an interface.conf", "x\n", 0600);
	write_file(dir, "wg2.conf~", "x\n", 0600);
	write_file(dir, ".conf", "x\n", 0600);
	snprintf(path, sizeof(path), "%s/dir.conf", dir);
	assert_int_equal(mkdir(path, 0700), 0);

	assert_int_equal(config_load(&c, &error, dir, "wg0"), 0);
	assert_string_equal(c->ifname, "wg0");
	assert_int_equal(c->n_peers, 1);
	c = config_free(c);
	assert_int_equal(config_load(&c, &error, dir, "bad"), -EINVAL);
	snprintf(path, sizeof(path), "%s/bad.conf:1: this is neither [Section] nor Key = value", dir);
	assert_string_equal(error, path);
	free(error);
	assert_int_equal(config_load(&c, &error, dir, "dir"), -EISDIR);
	snprintf(path, sizeof(path), "%s/dir.conf: cannot be read: Is a directory", dir);
	assert_string_equal(error, path);
	free(error);
	assert_int_equal(config_load(&c, &error, dir, "../wg0"), -ENOENT);
	assert_null(c);

	assert_int_equal(config_list(&list, dir), 0);
	assert_string_equal(list[0], "bad");
	assert_string_equal(list[1], "dir");
	assert_string_equal(list[2], "wg0");
	assert_string_equal(list[3], "wg1");
	assert_null(list[4]);
	config_list_free(list);
	config_list_free(NULL);

	remove_file(dir, "wg1.conf");
	remove_file(dir, "wg0.conf");
	remove_file(dir, "bad.conf");
	remove_file(dir, "far-too-long-a-name.conf");
	remove_file(dir, "not an interface.conf");
	remove_file(dir, "wg2.conf~");
	remove_file(dir, ".conf");
	remove_file(dir, "dir.conf");
	assert_int_equal(config_list(&list, dir), 0);
	assert_null(list[0]);
	config_list_free(list);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(config_list(&list, dir), -ENOENT);
}

static void test_preshared_key_file(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		int r;
	} cases[] = {
		{ KEY_B "\n", 0600, 0 },
		{ KEY_B, 0640, 0 },
		{ KEY_B "\r\n", 0400, 0 },
		{ KEY_B "\n", 0644, -EPERM },
		{ KEY_B "\n", 0602, -EPERM },
		{ KEY_ZERO "\n", 0600, -EINVAL },
		{ KEY_B KEY_B "\n", 0600, -EINVAL },
		{ "\n", 0600, -EINVAL },
		{ "", 0600, -EINVAL },
	};
	char dir[] = "/tmp/wgfido-test-config.XXXXXX", path[256];
	struct secret *key = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/psk", dir);
	assert_int_equal(config_load_preshared_key(&key, path), -ENOENT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file(dir, "psk", cases[i].text, cases[i].mode);
		assert_int_equal(config_load_preshared_key(&key, path), cases[i].r);
		if (cases[i].r == 0) {
			assert_key(secret_key(key), KEY_B);
			key = secret_free(key);
		}
		assert_null(key);
		remove_file(dir, "psk");
	}
	assert_int_equal(rmdir(dir), 0);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(config_mode_name(CONFIG_MODE_PSK), "psk");
	assert_string_equal(config_mode_name(CONFIG_MODE_IDENTITY), "identity");
	assert_string_equal(config_scope_name(CONFIG_SCOPE_PEER), "peer");
	assert_string_equal(config_scope_name(CONFIG_SCOPE_TUNNEL), "tunnel");
	assert_string_equal(config_scope_name(CONFIG_SCOPE_GLOBAL), "global");
	assert_string_equal(config_schedule_name(CONFIG_SCHEDULE_TIME), "time");
	assert_string_equal(config_schedule_name(CONFIG_SCHEDULE_STATIC), "static");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_indented),
		cmocka_unit_test(test_nul_and_long),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_many_peers),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_preshared_key_file),
		cmocka_unit_test(test_names),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
