# The broker's core: what holds keys and presence. It knows no sd-bus.
noinst_LIBRARIES += daemon/libbrokercore.a
daemon_libbrokercore_a_SOURCES = \
	daemon/approval.c daemon/approval.h \
	daemon/approval-keys.c daemon/approval-keys.h \
	daemon/bucket.h \
	daemon/keystore.c daemon/keystore.h \
	daemon/keystore-file.c \
	daemon/keystore-json.c daemon/keystore-text.h \
	daemon/keystore-resident.c \
	daemon/mac1.c daemon/mac1.h \
	daemon/pairing.c daemon/pairing.h \
	daemon/presence.c daemon/presence.h daemon/presence-internal.h \
	daemon/presence-card.c \
	daemon/presence-kernel.c daemon/presence-soft.c daemon/presence-udev.c \
	daemon/presence-uevent.c daemon/presence-uevent.h \
	daemon/recovery.c \
	daemon/worker.c daemon/worker.h \
	daemon/worker-spawn.c daemon/worker-spawn.h
daemon_libbrokercore_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS) $(SYSTEMD_CFLAGS) $(CRYPTO_CFLAGS)

BROKERCORE_LIBS = daemon/libbrokercore.a common/libcommon.a $(COMMON_LIBS) $(JANSSON_LIBS) $(SYSTEMD_LIBS) \
	$(CRYPTO_LIBS)
BROKERCORE_TEST_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS) $(SYSTEMD_CFLAGS) $(CMOCKA_CFLAGS)

# -Wl,--wrap: allocations fail on demand. secret_new is wrapped too, since guarded memory comes in slabs.
UNIT_TESTS += tests/unit/test-approval
tests_unit_test_approval_SOURCES = tests/unit/test-approval.c tests/unit/approval-fixture.c tests/unit/approval-fixture.h tests/unit/fail-alloc.h
tests_unit_test_approval_CFLAGS = $(BROKERCORE_TEST_CFLAGS)
tests_unit_test_approval_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sodium_malloc,--wrap=calloc,--wrap=secret_new
tests_unit_test_approval_LDADD = $(BROKERCORE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-approval-window
tests_unit_test_approval_window_SOURCES = tests/unit/test-approval-window.c tests/unit/approval-fixture.c tests/unit/approval-fixture.h tests/unit/fail-alloc.h
tests_unit_test_approval_window_CFLAGS = $(BROKERCORE_TEST_CFLAGS)
tests_unit_test_approval_window_LDFLAGS = $(tests_unit_test_approval_LDFLAGS)
tests_unit_test_approval_window_LDADD = $(BROKERCORE_LIBS) $(CMOCKA_LIBS)
UNIT_TESTS += tests/unit/test-approval-clock
tests_unit_test_approval_clock_SOURCES = tests/unit/test-approval-clock.c tests/unit/approval-fixture.c tests/unit/approval-fixture.h tests/unit/fail-alloc.h
tests_unit_test_approval_clock_CFLAGS = $(BROKERCORE_TEST_CFLAGS)
tests_unit_test_approval_clock_LDFLAGS = $(tests_unit_test_approval_LDFLAGS)
tests_unit_test_approval_clock_LDADD = $(BROKERCORE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-recovery
tests_unit_test_recovery_SOURCES = tests/unit/test-recovery.c tests/unit/fail-alloc.h
tests_unit_test_recovery_CFLAGS = $(BROKERCORE_TEST_CFLAGS)
tests_unit_test_recovery_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=secret_new
tests_unit_test_recovery_LDADD = $(BROKERCORE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-keystore
tests_unit_test_keystore_SOURCES = tests/unit/test-keystore.c tests/unit/keystore-fixture.c tests/unit/keystore-fixture.h \
	tests/unit/fail-alloc.h
tests_unit_test_keystore_CPPFLAGS = $(AM_CPPFLAGS) -DTOP_SRCDIR=\"$(abs_top_srcdir)\"
tests_unit_test_keystore_CFLAGS = $(BROKERCORE_TEST_CFLAGS)
tests_unit_test_keystore_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=secret_new,--wrap=malloc,--wrap=calloc
tests_unit_test_keystore_LDADD = $(BROKERCORE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-keystore-resident
tests_unit_test_keystore_resident_SOURCES = tests/unit/test-keystore-resident.c tests/unit/keystore-fixture.c \
	tests/unit/keystore-fixture.h
tests_unit_test_keystore_resident_CFLAGS = $(BROKERCORE_TEST_CFLAGS)
tests_unit_test_keystore_resident_LDADD = $(BROKERCORE_LIBS) $(CMOCKA_LIBS)

# The system calls of a save fail on demand.
UNIT_TESTS += tests/unit/test-keystore-file
tests_unit_test_keystore_file_SOURCES = tests/unit/test-keystore-file.c tests/unit/keystore-fixture.c tests/unit/keystore-fixture.h
tests_unit_test_keystore_file_CFLAGS = $(BROKERCORE_TEST_CFLAGS)
tests_unit_test_keystore_file_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=write,--wrap=fsync,--wrap=renameat
tests_unit_test_keystore_file_LDADD = $(BROKERCORE_LIBS) $(CMOCKA_LIBS)

TESTS += tests/vectors/check-keyfile.sh
EXTRA_DIST += tests/vectors/check-keyfile.sh tests/vectors/keyfile.py tests/vectors/keyfile.json

FUZZ_TARGETS += tests/fuzz/fuzz-keyfile
tests_fuzz_fuzz_keyfile_SOURCES = tests/fuzz/fuzz-keyfile.c
tests_fuzz_fuzz_keyfile_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_keyfile_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_keyfile_LDADD = tests/fuzz/libreplay.a $(BROKERCORE_LIBS)

check_PROGRAMS += tests/unit/fake-worker
tests_unit_fake_worker_SOURCES = tests/unit/fake-worker.c
tests_unit_fake_worker_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_fake_worker_LDADD = common/libcommon.a $(COMMON_LIBS)

# Timers are over at once when a test says so.
UNIT_TESTS += tests/unit/test-worker
tests_unit_test_worker_SOURCES = tests/unit/test-worker.c tests/unit/fail-alloc.h
tests_unit_test_worker_CPPFLAGS = $(AM_CPPFLAGS) -DTOP_BUILDDIR=\"$(abs_top_builddir)\"
tests_unit_test_worker_CFLAGS = $(BROKERCORE_TEST_CFLAGS)
tests_unit_test_worker_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sd_event_add_time_relative,--wrap=calloc,--wrap=sodium_malloc \
	-Wl,--wrap=pidfd_open
tests_unit_test_worker_LDADD = $(BROKERCORE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-uevent
tests_unit_test_uevent_SOURCES = tests/unit/test-uevent.c
tests_unit_test_uevent_CFLAGS = $(BROKERCORE_TEST_CFLAGS)
tests_unit_test_uevent_LDADD = $(BROKERCORE_LIBS) $(CMOCKA_LIBS)

# No timer anywhere on the way of a removal.
PRESENCE_FIXTURE = tests/unit/presence-fixture.c tests/unit/presence-fixture.h
PRESENCE_WRAP = -Wl,--wrap=sd_event_add_time_relative

UNIT_TESTS += tests/unit/test-presence
tests_unit_test_presence_SOURCES = tests/unit/test-presence.c tests/unit/fail-alloc.h $(PRESENCE_FIXTURE)
tests_unit_test_presence_CFLAGS = $(BROKERCORE_TEST_CFLAGS)
tests_unit_test_presence_LDFLAGS = $(AM_LDFLAGS) $(PRESENCE_WRAP) -Wl,--wrap=calloc
tests_unit_test_presence_LDADD = $(BROKERCORE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-presence-kernel
tests_unit_test_presence_kernel_SOURCES = tests/unit/test-presence-kernel.c $(PRESENCE_FIXTURE)
tests_unit_test_presence_kernel_CFLAGS = $(BROKERCORE_TEST_CFLAGS)
tests_unit_test_presence_kernel_LDFLAGS = $(AM_LDFLAGS) $(PRESENCE_WRAP) -Wl,--wrap=socket,--wrap=bind,--wrap=recvmsg
tests_unit_test_presence_kernel_LDADD = $(BROKERCORE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-mac1
tests_unit_test_mac1_SOURCES = tests/unit/test-mac1.c
tests_unit_test_mac1_CFLAGS = $(BROKERCORE_TEST_CFLAGS)
tests_unit_test_mac1_LDADD = $(BROKERCORE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-pairing
tests_unit_test_pairing_SOURCES = tests/unit/test-pairing.c
tests_unit_test_pairing_CFLAGS = $(BROKERCORE_TEST_CFLAGS)
tests_unit_test_pairing_LDADD = $(BROKERCORE_LIBS) $(CMOCKA_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-pairing
tests_fuzz_fuzz_pairing_SOURCES = tests/fuzz/fuzz-pairing.c
tests_fuzz_fuzz_pairing_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_pairing_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_pairing_LDADD = tests/fuzz/libreplay.a $(BROKERCORE_LIBS)
