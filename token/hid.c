/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/hid.h"

#include <errno.h>
#include <fcntl.h>
#include <hidapi.h>
#include <linux/hidraw.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "token/hid-desc.h"

#define LOCK_RETRY_US (50 * US_PER_MS)
/* hidapi shows no descriptor to poll, so a cancellation is looked for this often. A report ends the wait at once. */
#define SLICE_US (20 * US_PER_MS)

struct hid {
	struct transport transport;
	char *node;
	int lock_fd;
	hid_device *device;
};

static struct hid *hid_of(struct transport *t)
{
	return (struct hid *)(void *)t;
}

static void hid_shut(struct transport *t)
{
	struct hid *h = hid_of(t);

	if (h->device)
		hid_close(h->device);
	h->device = NULL;
	if (h->lock_fd >= 0)
		close(h->lock_fd); /* the lock goes with it */
	h->lock_fd = -1;
}

static int lock_node(struct hid *h, uint64_t deadline_us)
{
	int r;

	while (flock(h->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		r = transport_pause(&h->transport, LOCK_RETRY_US, deadline_us);
		if (r < 0)
			return r == -ETIMEDOUT ? -EBUSY : r;
	}
	return 0;
}

static int read_descriptor(struct hid *h)
{
	struct hidraw_report_descriptor raw = {0};
	struct hid_desc desc;
	int size = 0, r;

	if (ioctl(h->lock_fd, HIDIOCGRDESCSIZE, &size) < 0)
		return -errno;
	if (size <= 0 || size > HID_MAX_DESCRIPTOR_SIZE)
		return -EBADMSG;
	raw.size = (uint32_t)size;
	if (ioctl(h->lock_fd, HIDIOCGRDESC, &raw) < 0)
		return -errno;
	r = hid_desc_parse(&desc, raw.value, (size_t)size);
	if (r < 0)
		return r;
	h->transport.in_size = desc.in_size;
	h->transport.out_size = desc.out_size;
	return 0;
}

/* From the node itself: hidapi would ask udev, which needs all of sysfs. */
static void read_texts(struct hid *h)
{
	char text[TRANSPORT_TEXT_MAX] = "";

	if (ioctl(h->lock_fd, HIDIOCGRAWNAME(sizeof(text) - 1), text) < 0)
		text[0] = 0;
	text[sizeof(text) - 1] = 0;
	transport_set_text(h->transport.product, text);
	memset(text, 0, sizeof(text));
	if (ioctl(h->lock_fd, HIDIOCGRAWUNIQ(sizeof(text) - 1), text) < 0)
		text[0] = 0;
	text[sizeof(text) - 1] = 0;
	transport_set_text(h->transport.serial, text);
}

/* Every node that is made has a number of its own, also where the path was another's before. */
static int read_incarnation(struct hid *h)
{
	struct stat st;

	if (fstat(h->lock_fd, &st) < 0)
		return -errno;
	h->transport.incarnation = st.st_ino;
	return 0;
}

static int hid_start(struct transport *t, uint64_t deadline_us)
{
	struct hid *h = hid_of(t);
	int r;

	hid_shut(t);
	h->lock_fd = open(h->node, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	if (h->lock_fd < 0)
		return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
	r = lock_node(h, deadline_us);
	if (r == 0)
		r = read_incarnation(h);
	if (r == 0)
		r = read_descriptor(h);
	if (r < 0)
		return r;
	read_texts(h);
	h->device = hid_open_path(h->node);
	return h->device ? 0 : -ENODEV;
}

static int hid_read_report(struct transport *t, uint8_t *report, uint64_t deadline_us)
{
	struct hid *h = hid_of(t);

	for (;;) {
		uint64_t now = clock_now(t->clock).boot_us, left;
		struct pollfd interrupt = {.fd = t->interrupt ? t->interrupt->fd : -1, .events = POLLIN};
		int n;

		if (now >= deadline_us)
			return -ETIMEDOUT;
		if (poll(&interrupt, 1, 0) > 0 && t->interrupt->raised(t->interrupt))
			return -ECANCELED;
		left = deadline_us - now < SLICE_US ? deadline_us - now : SLICE_US;
		n = hid_read_timeout(h->device, report, t->in_size, (int)((left + US_PER_MS - 1) / US_PER_MS));
		if (n < 0)
			return -ENODEV; /* hidapi does not say why; in practice: unplugged */
		if (n > 0)
			return (size_t)n == t->in_size ? 0 : -EPROTO;
	}
}

static int hid_write_report(struct transport *t, const uint8_t *report, uint64_t deadline_us)
{
	struct hid *h = hid_of(t);
	uint8_t numbered[1 + TRANSPORT_REPORT_MAX] = {0}; /* report number 0: there are no numbers */
	int n;

	if (clock_now(t->clock).boot_us >= deadline_us)
		return -ETIMEDOUT;
	memcpy(numbered + 1, report, t->out_size);
	n = hid_write(h->device, numbered, 1 + t->out_size);
	sodium_memzero(numbered, sizeof(numbered));
	if (n < 0)
		return -ENODEV;
	return (size_t)n >= t->out_size ? 0 : -EIO;
}

static const struct transport_ops hid_ops = {
	.open = hid_start,
	.close = hid_shut,
	.read = hid_read_report,
	.write = hid_write_report,
};

int hid_new(struct transport **ret, const char *node, struct clock *clock)
{
	struct hid *h;

	if (hid_init() < 0)
		return -EIO;
	h = calloc(1, sizeof(*h));
	if (h)
		h->node = strdup(node);
	if (!h || !h->node) {
		free(h);
		return -ENOMEM;
	}
	h->transport.ops = &hid_ops;
	h->transport.clock = clock;
	h->lock_fd = -1;
	*ret = &h->transport;
	return 0;
}

struct transport *hid_free(struct transport *t)
{
	if (t) {
		struct hid *h = hid_of(t);

		hid_shut(t);
		free(h->node);
		free(h);
		hid_exit();
	}
	return NULL;
}
