# The broker's core: what holds keys and presence. It knows no sd-bus.
noinst_LIBRARIES += daemon/libbrokercore.a
daemon_libbrokercore_a_SOURCES = \
	daemon/approval.c daemon/approval.h \
	daemon/approval-keys.c daemon/approval-keys.h \
	daemon/keystore.c daemon/keystore.h \
	daemon/keystore-file.c \
	daemon/keystore-json.c daemon/keystore-text.h \
	daemon/presence.c daemon/presence.h daemon/presence-internal.h \
	daemon/presence-kernel.c daemon/presence-soft.c daemon/presence-udev.c \
	daemon/presence-uevent.c daemon/presence-uevent.h \
	daemon/recovery.c \
	daemon/worker.c daemon/worker.h \
	daemon/worker-spawn.c daemon/worker-spawn.h
daemon_libbrokercore_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS) $(SYSTEMD_CFLAGS)
