/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hidraw transport on a plain file as the node: the lock is real, ioctl and hidapi are the test's. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <hidapi.h>
#include <linux/hidraw.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "token/hid.h"

static const uint8_t descriptor[] = {0x06, 0xd0, 0xf1, 0x09, 0x01, 0xa1, 0x01, 0x75, 0x08, 0x95, 0x40, 0x81, 0x02, 0x91, 0x02,
	0xc0};

static struct {
	const uint8_t *descriptor;
	size_t descriptor_len;
	int n_open, n_written, read_result, timeouts;
	bool fail_open, fail_write;
	uint8_t written[65];
} fake;

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct hidraw_report_descriptor *raw;
	va_list ap;
	void *p;

	(void)fd;
	va_start(ap, request);
	p = va_arg(ap, void *);
	va_end(ap);
	switch (request & 0xffff) {
	case HIDIOCGRDESCSIZE & 0xffff:
		*(int *)p = (int)fake.descriptor_len;
		return 0;
	case HIDIOCGRDESC & 0xffff:
		raw = p;
		memcpy(raw->value, fake.descriptor, raw->size);
		return 0;
	case HIDIOCGRAWNAME(0) & 0xffff:
		memcpy(p, "Yubi\x1b[31mKey", 13);
		return 13;
	}
	errno = EINVAL; /* as older kernels answer HIDIOCGRAWUNIQ */
	return -1;
}

int __wrap_hid_init(void);
int __wrap_hid_init(void)
{
	return 0;
}

int __wrap_hid_exit(void);
int __wrap_hid_exit(void)
{
	return 0;
}

hid_device *__wrap_hid_open_path(const char *path);
hid_device *__wrap_hid_open_path(const char *path)
{
	(void)path;
	if (fake.fail_open)
		return NULL;
	fake.n_open++;
	return (hid_device *)(void *)&fake;
}

void __wrap_hid_close(hid_device *device);
void __wrap_hid_close(hid_device *device)
{
	(void)device;
	fake.n_open--;
}

int __wrap_hid_write(hid_device *device, const unsigned char *data, size_t len);
int __wrap_hid_write(hid_device *device, const unsigned char *data, size_t len)
{
	(void)device;
	if (fake.fail_write)
		return -1;
	fake.n_written++;
	memcpy(fake.written, data, len);
	return (int)len;
}

static struct clock_fake now;

int __wrap_hid_read_timeout(hid_device *device, unsigned char *data, size_t len, int ms);
int __wrap_hid_read_timeout(hid_device *device, unsigned char *data, size_t len, int ms)
{
	(void)device;
	assert_true(ms > 0 && ms <= 20);
	if (fake.read_result == 0) {
		fake.timeouts++;
		clock_fake_advance(&now, (uint64_t)ms * US_PER_MS);
	}
	if (fake.read_result > 0)
		memset(data, 0x5a, len);
	return fake.read_result;
}

struct fixture {
	char node[32];
	struct transport *transport;
	struct interrupt interrupt;
	int pipe[2];
};

static bool always(struct interrupt *i)
{
	(void)i;
	return true;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	assert_non_null(f);
	strcpy(f->node, "/tmp/wgfido-hid-XXXXXX");
	fd = mkstemp(f->node);
	assert_true(fd >= 0);
	close(fd);
	memset(&fake, 0, sizeof(fake));
	fake.descriptor = descriptor;
	fake.descriptor_len = sizeof(descriptor);
	clock_fake_init(&now, US_PER_SEC, 0);
	assert_int_equal(pipe2(f->pipe, O_CLOEXEC), 0);
	f->interrupt = (struct interrupt){.fd = f->pipe[0], .raised = always};
	assert_int_equal(hid_new(&f->transport, f->node, &now.clock), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	hid_free(f->transport);
	assert_int_equal(fake.n_open, 0);
	close(f->pipe[0]);
	close(f->pipe[1]);
	unlink(f->node);
	free(f);
	return 0;
}

static bool lockable(struct fixture *f)
{
	int fd = open(f->node, O_RDWR | O_CLOEXEC);
	bool free_now = flock(fd, LOCK_EX | LOCK_NB) == 0;

	close(fd);
	return free_now;
}

static void test_lock_is_held_while_open(void **state)
{
	struct fixture *f = *state;
	struct transport *t = f->transport;

	assert_true(lockable(f));
	assert_int_equal(t->ops->open(t, now.now.boot_us + US_PER_SEC), 0);
	assert_int_equal(t->in_size, 64);
	assert_int_equal(t->out_size, 64);
	assert_string_equal(t->product, "Yubi [31mKey"); /* no escapes for terminals */
	assert_string_equal(t->serial, "");
	assert_false(lockable(f));
	t->ops->close(t);
	assert_true(lockable(f));
	assert_int_equal(fake.n_open, 0);
}

/* A clock that moves by itself, so that waiting for the lock ends without waiting. */
static void run_on(struct clock *c, struct instant *ret)
{
	struct clock_fake *fakec = (struct clock_fake *)(void *)c;

	clock_fake_advance(fakec, 10 * US_PER_SEC);
	*ret = fakec->now;
}

static void test_locked_by_another(void **state)
{
	struct fixture *f = *state;
	struct transport *t = f->transport;
	int fd = open(f->node, O_RDWR | O_CLOEXEC);

	assert_int_equal(flock(fd, LOCK_EX), 0);
	now.clock.read = run_on;
	assert_int_equal(t->ops->open(t, now.now.boot_us + 15 * US_PER_SEC), -EBUSY);
	assert_int_equal(fake.n_open, 0); /* the device was not touched */
	t->ops->close(t);

	/* and the wait can be cancelled */
	clock_fake_init(&now, US_PER_SEC, 0);
	t->interrupt = &f->interrupt;
	assert_int_equal(write(f->pipe[1], "x", 1), 1);
	assert_int_equal(t->ops->open(t, now.now.boot_us + 15 * US_PER_SEC), -ECANCELED);
	t->ops->close(t);
	close(fd);
}

static void test_not_fido(void **state)
{
	static const uint8_t mouse[] = {0x05, 0x01, 0x09, 0x02, 0xa1, 0x01, 0xc0};
	struct fixture *f = *state;
	struct transport *t = f->transport;

	fake.descriptor = mouse;
	fake.descriptor_len = sizeof(mouse);
	assert_int_equal(t->ops->open(t, now.now.boot_us + US_PER_SEC), -ENXIO);
	t->ops->close(t);
	fake.descriptor_len = 5000;
	assert_int_equal(t->ops->open(t, now.now.boot_us + US_PER_SEC), -EBADMSG);
	t->ops->close(t);
	assert_true(lockable(f));
}

static void test_gone(void **state)
{
	struct fixture *f = *state;
	struct transport *t = f->transport;

	fake.fail_open = true;
	assert_int_equal(t->ops->open(t, now.now.boot_us + US_PER_SEC), -ENODEV);
	t->ops->close(t);
	unlink(f->node);
	assert_int_equal(t->ops->open(t, now.now.boot_us + US_PER_SEC), -ENODEV);
	t->ops->close(t);
}

static void test_reports(void **state)
{
	struct fixture *f = *state;
	struct transport *t = f->transport;
	uint8_t report[64] = {1, 2, 3};
	uint64_t start;

	assert_int_equal(t->ops->open(t, now.now.boot_us + US_PER_SEC), 0);
	assert_int_equal(t->ops->write(t, report, now.now.boot_us + US_PER_SEC), 0);
	assert_int_equal(fake.written[0], 0); /* the number of no number */
	assert_memory_equal(fake.written + 1, report, 64);
	fake.fail_write = true;
	assert_int_equal(t->ops->write(t, report, now.now.boot_us + US_PER_SEC), -ENODEV);

	fake.read_result = 64;
	assert_int_equal(t->ops->read(t, report, now.now.boot_us + US_PER_SEC), 0);
	assert_int_equal(report[63], 0x5a);
	fake.read_result = 10;
	assert_int_equal(t->ops->read(t, report, now.now.boot_us + US_PER_SEC), -EPROTO);
	fake.read_result = -1;
	assert_int_equal(t->ops->read(t, report, now.now.boot_us + US_PER_SEC), -ENODEV);

	fake.read_result = 0;
	start = now.now.boot_us;
	assert_int_equal(t->ops->read(t, report, start + US_PER_SEC), -ETIMEDOUT);
	assert_int_equal(now.now.boot_us, start + US_PER_SEC);
	assert_int_equal(fake.timeouts, 50);

	t->interrupt = &f->interrupt;
	assert_int_equal(write(f->pipe[1], "x", 1), 1);
	fake.timeouts = 0;
	assert_int_equal(t->ops->read(t, report, now.now.boot_us + US_PER_SEC), -ECANCELED);
	assert_int_equal(fake.timeouts, 0);
	t->ops->close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lock_is_held_while_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locked_by_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_fido, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reports, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
