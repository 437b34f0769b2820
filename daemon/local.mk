# wgfidod. The broker's core knows no sd-bus; the program adds it.
noinst_LIBRARIES += daemon/libbroker.a
daemon_libbroker_a_SOURCES = \
	daemon/broker.c daemon/broker.h \
	daemon/broker-reload.c \
	daemon/dh.c daemon/dh.h \
	daemon/expiry.c daemon/expiry.h \
	daemon/operation.c daemon/operation.h \
	daemon/operation-approve.c \
	daemon/operation-commit.c \
	daemon/operation-create.c \
	daemon/operation-enroll.c \
	daemon/operation-export.c \
	daemon/operation-find.c \
	daemon/operation-keyslot.c \
	daemon/operation-list.c \
	daemon/operation-resident.c daemon/operation-resident.h \
	daemon/resident-slot.c daemon/resident-slot.h \
	daemon/operation-survey.c \
	daemon/operation-unlock.c \
	daemon/operation-use.c \
	daemon/request.c daemon/request.h \
	daemon/token.c daemon/token.h \
	daemon/tunnel.c daemon/tunnel.h
daemon_libbroker_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)

pkglibexec_PROGRAMS += daemon/wgfidod
daemon_wgfidod_SOURCES = \
	daemon/bus.c daemon/bus.h \
	daemon/bus-call.c daemon/bus-call.h \
	daemon/bus-dh.c daemon/bus-dh.h \
	daemon/bus-leases.c daemon/bus-leases.h \
	daemon/bus-manager.c \
	daemon/bus-options.c \
	daemon/bus-peer.c \
	daemon/bus-token.c \
	daemon/bus-tunnel.c \
	daemon/logind.c daemon/logind.h \
	daemon/main.c \
	daemon/polkit.c daemon/polkit.h
daemon_wgfidod_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
daemon_wgfidod_LDADD = daemon/libbroker.a daemon/libbrokercore.a common/libcommon.a $(SYSTEMD_LIBS) $(JANSSON_LIBS) \
	$(CRYPTO_LIBS) $(COMMON_LIBS)

BROKER_TESTS = \
	tests/contract/test-bus.py \
	tests/integration/test-broker.py \
	tests/integration/test-broker-access.py \
	tests/integration/test-broker-hostile.py \
	tests/integration/test-broker-keys.py \
	tests/integration/test-broker-life.py \
	tests/integration/test-broker-resident.py \
	tests/integration/test-broker-token.py
dist_noinst_SCRIPTS += $(BROKER_TESTS)
TESTS += $(BROKER_TESTS)
EXTRA_DIST += \
	docs/dbus.md \
	tests/integration/broker_case.py \
	tests/integration/mock_logind.py \
	tests/integration/mock_polkit.py \
	tests/integration/private_bus.py

UNIT_TESTS += tests/unit/test-broker
tests_unit_test_broker_SOURCES = tests/unit/test-broker.c
tests_unit_test_broker_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_broker_LDADD = daemon/libbroker.a daemon/libbrokercore.a common/libcommon.a $(SYSTEMD_LIBS) \
	$(JANSSON_LIBS) $(CRYPTO_LIBS) $(COMMON_LIBS) $(CMOCKA_LIBS)

# Tokens whose resident keys the tests know.
check_PROGRAMS += tests/unit/fake-x-worker
tests_unit_fake_x_worker_SOURCES = tests/unit/fake-x-worker.c
tests_unit_fake_x_worker_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_fake_x_worker_LDADD = common/libcommon.a $(COMMON_LIBS)

UNIT_TESTS += tests/unit/test-resident-window
tests_unit_test_resident_window_SOURCES = tests/unit/test-resident-window.c tests/unit/resident-fixture.c tests/unit/resident-fixture.h
tests_unit_test_resident_window_CPPFLAGS = $(AM_CPPFLAGS) -DTOP_BUILDDIR=\"$(abs_top_builddir)\"
tests_unit_test_resident_window_CFLAGS = $(tests_unit_test_broker_CFLAGS)
tests_unit_test_resident_window_LDADD = $(tests_unit_test_broker_LDADD)
UNIT_TESTS += tests/unit/test-resident
tests_unit_test_resident_SOURCES = tests/unit/test-resident.c tests/unit/resident-fixture.c tests/unit/resident-fixture.h
tests_unit_test_resident_CPPFLAGS = $(AM_CPPFLAGS) -DTOP_BUILDDIR=\"$(abs_top_builddir)\"
tests_unit_test_resident_CFLAGS = $(tests_unit_test_broker_CFLAGS)
tests_unit_test_resident_LDADD = $(tests_unit_test_broker_LDADD)
UNIT_TESTS += tests/unit/test-resident-rekey
tests_unit_test_resident_rekey_SOURCES = tests/unit/test-resident-rekey.c tests/unit/resident-fixture.c tests/unit/resident-fixture.h
tests_unit_test_resident_rekey_CPPFLAGS = $(tests_unit_test_resident_CPPFLAGS)
tests_unit_test_resident_rekey_CFLAGS = $(tests_unit_test_resident_CFLAGS)
tests_unit_test_resident_rekey_LDADD = $(tests_unit_test_resident_LDADD)

UNIT_TESTS += tests/unit/test-dh
tests_unit_test_dh_SOURCES = tests/unit/test-dh.c tests/unit/resident-fixture.c tests/unit/resident-fixture.h
tests_unit_test_dh_CPPFLAGS = $(tests_unit_test_resident_CPPFLAGS)
tests_unit_test_dh_CFLAGS = $(tests_unit_test_resident_CFLAGS)
tests_unit_test_dh_LDFLAGS = -Wl,--wrap=sd_event_add_time_relative
tests_unit_test_dh_LDADD = $(tests_unit_test_resident_LDADD)
