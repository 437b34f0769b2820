/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exchange with the kernel, the socket replaced (ld's --wrap): requests are looked at, answers come from a script. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "agent/device-io.h"
#include "agent/device.h"
#include "tests/unit/device-netlink-answer.h"

struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags);
int __wrap_mnl_socket_bind(struct mnl_socket *s, unsigned int groups, pid_t pid);
int __wrap_mnl_socket_setsockopt(const struct mnl_socket *s, int type, void *buf, socklen_t len);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *s, const void *buf, size_t len);
int __wrap_mnl_socket_get_fd(const struct mnl_socket *s);
int __wrap_mnl_socket_close(struct mnl_socket *s);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
int __wrap_device_io_wait(int fd, short events, uint64_t deadline_us);

enum script_step { STEP_FAMILY, STEP_NO_FAMILY, STEP_DUMP, STEP_DUMP_INTERRUPTED, STEP_OVERRUN, STEP_GARBAGE, STEP_NODEV,
	STEP_OTHER_KIND, STEP_UNLOADED, STEP_ACK, STEP_SILENCE, STEP_FORGED, STEP_TOO_LONG, STEP_END };
static struct {
	const enum script_step *steps;
	unsigned int n_open, n_opened, n_sent;
	uint32_t seq;
	uint16_t type;
} fake;

struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags)
{
	assert_int_equal(bus, NETLINK_GENERIC);
	assert_int_equal(flags, SOCK_CLOEXEC | SOCK_NONBLOCK);
	fake.n_open++;
	fake.n_opened++;
	return (struct mnl_socket *)&fake;
}

int __wrap_mnl_socket_bind(struct mnl_socket *s, unsigned int groups, pid_t pid)
{
	(void)s, (void)groups, (void)pid;
	return 0;
}

int __wrap_mnl_socket_setsockopt(const struct mnl_socket *s, int type, void *buf, socklen_t len)
{
	(void)s, (void)type, (void)buf, (void)len;
	return 0;
}

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *s, const void *buf, size_t len)
{
	const struct nlmsghdr *nlh = buf;

	(void)s;
	fake.n_sent++;
	fake.seq = nlh->nlmsg_seq;
	fake.type = nlh->nlmsg_type;
	return (ssize_t)len;
}

int __wrap_mnl_socket_get_fd(const struct mnl_socket *s)
{
	(void)s;
	return -1;
}

int __wrap_mnl_socket_close(struct mnl_socket *s)
{
	(void)s;
	fake.n_open--;
	return 0;
}

int __wrap_device_io_wait(int fd, short events, uint64_t deadline_us)
{
	(void)fd, (void)events, (void)deadline_us;
	return -ETIMEDOUT;
}

static ssize_t fake_give(struct msghdr *msg, const struct answer *a, uint32_t port)
{
	struct sockaddr_nl from = { .nl_family = AF_NETLINK, .nl_pid = port };

	assert_true(a->len <= msg->msg_iov[0].iov_len);
	memcpy(msg->msg_iov[0].iov_base, a->buf, a->len);
	memcpy(msg->msg_name, &from, sizeof(from));
	msg->msg_namelen = sizeof(from);
	msg->msg_flags = 0;
	return (ssize_t)a->len;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	const enum script_step step = *fake.steps++;
	struct answer a = { .len = 0 };

	(void)fd, (void)flags;
	switch (step) {
	case STEP_FAMILY:
		assert_int_equal(fake.type, GENL_ID_CTRL);
		answer_begin(&a, GENL_ID_CTRL, 0, fake.seq);
		((struct genlmsghdr *)mnl_nlmsg_get_payload(a.nlh))->cmd = CTRL_CMD_NEWFAMILY;
		mnl_attr_put_strz(a.nlh, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
		mnl_attr_put_u16(a.nlh, CTRL_ATTR_FAMILY_ID, FAMILY);
		answer_end(&a);
		break;
	case STEP_DUMP:
	case STEP_DUMP_INTERRUPTED:
		assert_int_equal(fake.type, FAMILY);
		answer_begin(&a, FAMILY, NLM_F_MULTI | (step == STEP_DUMP ? 0 : NLM_F_DUMP_INTR), fake.seq);
		answer_device(&a, 9);
		answer_peer(&a, step == STEP_DUMP ? 1 : 2, 5);
		answer_end(&a);
		answer_status(&a, NLMSG_DONE, 0, fake.seq);
		break;
	case STEP_OVERRUN:
		errno = ENOBUFS;
		return -1;
	case STEP_GARBAGE:
		answer_begin(&a, FAMILY, NLM_F_MULTI, fake.seq);
		mnl_attr_put_u8(a.nlh, WGDEVICE_A_PRIVATE_KEY, 1);
		answer_end(&a);
		break;
	case STEP_NODEV:
		answer_status(&a, NLMSG_ERROR, -ENODEV, fake.seq);
		break;
	case STEP_OTHER_KIND:
		answer_status(&a, NLMSG_ERROR, -EOPNOTSUPP, fake.seq);
		break;
	case STEP_NO_FAMILY:
	case STEP_UNLOADED:
		answer_status(&a, NLMSG_ERROR, -ENOENT, fake.seq);
		break;
	case STEP_ACK:
		answer_status(&a, NLMSG_ERROR, 0, fake.seq);
		break;
	case STEP_SILENCE:
		errno = EAGAIN;
		return -1;
	case STEP_FORGED:
		answer_status(&a, NLMSG_ERROR, 0, fake.seq);
		return fake_give(msg, &a, 4711);
	case STEP_TOO_LONG:
		answer_status(&a, NLMSG_ERROR, 0, fake.seq);
		fake_give(msg, &a, 0);
		msg->msg_flags = MSG_TRUNC;
		return (ssize_t)a.len;
	case STEP_END:
		fail_msg("read more than there is");
	}
	return fake_give(msg, &a, 0);
}

static struct device_backend *fake_backend(void)
{
	static const enum script_step steps[] = { STEP_FAMILY, STEP_END };
	struct device_backend *b = NULL;

	fake.steps = steps;
	assert_int_equal(device_netlink_new(&b), 0);
	return b;
}

static void fake_free(struct device_backend *b)
{
	assert_null(b->ops->free(b));
	assert_int_equal(fake.n_open, 0);
}

static void test_io_no_family(void **state)
{
	static const enum script_step none[] = { STEP_NO_FAMILY, STEP_END }, silent[] = { STEP_SILENCE, STEP_END };
	struct device_backend *b;

	(void)state;
	fake.steps = none;
	assert_int_equal(device_netlink_new(&b), -EOPNOTSUPP);
	fake.steps = silent;
	assert_int_equal(device_netlink_new(&b), -ETIMEDOUT);
	assert_int_equal(fake.n_open, 0);
}

static void test_io_get(void **state)
{
	static const struct {
		int result;
		enum script_step steps[5];
	} cases[] = {
		{ 0, { STEP_DUMP, STEP_END } },
		{ 0, { STEP_DUMP_INTERRUPTED, STEP_DUMP_INTERRUPTED, STEP_DUMP, STEP_END } },
		{ 0, { STEP_OVERRUN, STEP_DUMP, STEP_END } },
		{ 0, { STEP_FORGED, STEP_DUMP, STEP_END } },
		{ 0, { STEP_UNLOADED, STEP_FAMILY, STEP_DUMP, STEP_END } },
		{ -ENODEV, { STEP_NODEV, STEP_END } },
		{ -ENODEV, { STEP_OTHER_KIND, STEP_END } },
		{ -ENODEV, { STEP_UNLOADED, STEP_NO_FAMILY, STEP_END } },
		{ -ETIMEDOUT, { STEP_SILENCE, STEP_END } },
		{ -EBADMSG, { STEP_GARBAGE, STEP_END } },
		{ -EMSGSIZE, { STEP_TOO_LONG, STEP_END } },
	};
	struct device_backend *b = fake_backend();
	struct device *d = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake.steps = cases[i].steps;
		assert_int_equal(b->ops->get(b, "wg0", &d), cases[i].result);
		assert_int_equal(*fake.steps, STEP_END);
		if (cases[i].result == 0) {
			assert_int_equal(d->n_peers, 1);
			/* the whole one's, nothing of the interrupted ones' */
			assert_int_equal(d->peers[0].public_key[1], 1);
			d = device_free(d);
		}
		assert_null(d);
	}
	assert_int_equal(b->ops->get(b, "a-name-longer-than-names-are", &d), -ENODEV);
	fake_free(b);
}

static void test_io_get_always_interrupted(void **state)
{
	enum script_step steps[65];
	struct device_backend *b = fake_backend();
	struct device *d;

	(void)state;
	for (size_t i = 0; i < 65; i++)
		steps[i] = STEP_DUMP_INTERRUPTED;
	fake.steps = steps;
	assert_int_equal(b->ops->get(b, "wg0", &d), -EINTR);
	assert_true(fake.steps < steps + 64);
	fake_free(b);
}

static void test_io_set(void **state)
{
	static const enum script_step good[] = { STEP_ACK, STEP_END }, gone[] = { STEP_NODEV, STEP_END },
				      unloaded[] = { STEP_UNLOADED, STEP_FAMILY, STEP_ACK, STEP_END },
				      silent[] = { STEP_SILENCE, STEP_END },
				      middle[] = { STEP_ACK, STEP_NODEV, STEP_END };
	enum { N = 1000 };
	struct device_backend *b = fake_backend();
	struct device_change c = { .private_key_how = DEVICE_PRIVATE_KEY_CLEAR };
	struct device_peer_change *peers = calloc(N, sizeof(*peers));
	unsigned int opened;

	(void)state;
	fake.steps = good;
	assert_int_equal(b->ops->set(b, "wg0", &c), 0);
	fake.steps = gone;
	assert_int_equal(b->ops->set(b, "wg0", &c), -ENODEV);
	fake.steps = unloaded;
	assert_int_equal(b->ops->set(b, "wg0", &c), 0);
	/* After silence the socket is another one: a late answer cannot be taken for the next one's. */
	opened = fake.n_opened;
	fake.steps = silent;
	assert_int_equal(b->ops->set(b, "wg0", &c), -ETIMEDOUT);
	fake.steps = good;
	assert_int_equal(b->ops->set(b, "wg0", &c), 0);
	assert_int_equal(fake.n_opened, opened + 1);
	/* The first message that fails is the last one. */
	for (unsigned int i = 0; i < N; i++)
		key_of(peers[i].public_key, i);
	c.n_peers = N;
	c.peers = peers;
	fake.steps = middle;
	fake.n_sent = 0;
	assert_int_equal(b->ops->set(b, "wg0", &c), -ENODEV);
	assert_int_equal(fake.n_sent, 2);
	fake_free(b);
	free(peers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_io_no_family),
		cmocka_unit_test(test_io_get),
		cmocka_unit_test(test_io_get_always_interrupted),
		cmocka_unit_test(test_io_set),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
