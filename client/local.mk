# The command line.
noinst_LIBRARIES += client/libclient.a
client_libclient_a_SOURCES = \
	client/agent-status.c client/agent-status.h \
	client/assuan.c client/assuan.h \
	client/call.c client/call.h \
	client/cmd-approve.c \
	client/cmd-doctor.c \
	client/cmd-enroll.c \
	client/cmd-gateway.c \
	client/cmd-genkey.c \
	client/cmd-keyslot.c \
	client/cmd-lock.c \
	client/cmd-monitor.c \
	client/cmd-protect.c \
	client/cmd-nm.c \
	client/cmd-pubkey.c \
	client/cmd-rekey.c \
	client/cmd-revoke.c \
	client/cmd-status.c \
	client/cmd-tokens.c \
	client/cmd-unprotect.c \
	client/dirs.c client/dirs.h \
	client/doctor.h \
	client/doctor-bus.c client/doctor-checks.c client/doctor-clock.c client/doctor-files.c client/doctor-logind.c \
	client/doctor-module.c client/doctor-polkit.c client/doctor-tokens.c client/doctor-udev.c client/doctor-units.c \
	client/doctor-nm.c \
	client/keyslot.c client/keyslot.h \
	client/notify.c client/notify.h \
	client/nm.c client/nm.h \
	client/nm-plan.c \
	client/nm-settings.c \
	client/nm-setup.c \
	client/nm-undo.c \
	client/objects.c client/objects.h \
	client/pinentry.c client/pinentry.h \
	client/prompt.c client/prompt.h \
	client/prompt-card.c \
	client/prompt-facts.c client/prompt-facts.h \
	client/prompt-run.c client/prompt-run.h \
	client/proxy.c client/proxy.h \
	client/recovery.c client/recovery.h \
	client/say.c client/say.h \
	client/status.c client/status.h \
	client/status-json.c \
	client/status-text.c \
	client/target.c client/target.h \
	client/term.c client/term.h \
	client/text.c client/text.h \
	client/token-keys.c client/token-keys.h \
	client/verb.c client/verb.h \
	client/tunnelconf.c client/tunnelconf.h \
	client/watch.c client/watch.h \
	client/windows.c client/windows.h \
	client/wgconf.c client/wgconf.h \
	client/wgfile.c client/wgfile.h \
	client/wgshow.c client/wgshow.h \
	client/window-keys.c client/window-keys.h \
	client/wrap.c client/wrap.h
client_libclient_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS) $(JANSSON_CFLAGS)

CLIENT_LIBS = client/libclient.a common/libcommon.a $(SYSTEMD_LIBS) $(JANSSON_LIBS) $(COMMON_LIBS)

bin_PROGRAMS += client/wgfido
client_wgfido_SOURCES = client/main.c
client_wgfido_CFLAGS = $(client_libclient_a_CFLAGS)
client_wgfido_LDADD = $(CLIENT_LIBS)

bin_PROGRAMS += client/wgfido-prompt
client_wgfido_prompt_SOURCES = client/prompt-main.c
client_wgfido_prompt_CFLAGS = $(client_libclient_a_CFLAGS)
client_wgfido_prompt_LDADD = $(CLIENT_LIBS)

CLIENT_TESTS = tests/integration/test-client.py tests/integration/test-client-protect.py \
	tests/integration/test-client-broker.py tests/integration/test-client-nm.py tests/integration/test-client-windows.py \
	tests/integration/test-client-resident.py \
	tests/integration/test-prompt.py tests/integration/test-desktop.py
EXTRA_DIST += docs/desktop.md docs/desktop.png docs/resident.md tests/integration/prompt_case.py tests/integration/desktop_case.py \
	tests/integration/patient.c tests/integration/mock_notifications.py
CLIENT_TESTS += tests/integration/test-client-doctor.py
dist_noinst_SCRIPTS += $(CLIENT_TESTS)
TESTS += $(CLIENT_TESTS)
EXTRA_DIST += tests/integration/fake_broker.py tests/integration/fake_nm.py tests/integration/client_case.py tests/integration/kill_at.c \
	tests/integration/mock_system.py

UNIT_TESTS += tests/unit/test-wgconf
tests_unit_test_wgconf_SOURCES = tests/unit/test-wgconf.c
tests_unit_test_wgconf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_wgconf_LDADD = client/libclient.a common/libcommon.a $(COMMON_LIBS) $(CMOCKA_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-wgconf
tests_fuzz_fuzz_wgconf_SOURCES = tests/fuzz/fuzz-wgconf.c
tests_fuzz_fuzz_wgconf_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_wgconf_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_wgconf_LDADD = tests/fuzz/libreplay.a client/libclient.a common/libcommon.a $(COMMON_LIBS)

UNIT_TESTS += tests/unit/test-client-text
tests_unit_test_client_text_SOURCES = tests/unit/test-client-text.c
tests_unit_test_client_text_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SYSTEMD_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_client_text_LDADD = $(CLIENT_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-nm-plan
tests_unit_test_nm_plan_SOURCES = tests/unit/test-nm-plan.c
tests_unit_test_nm_plan_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SYSTEMD_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_nm_plan_LDADD = $(CLIENT_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-assuan
tests_unit_test_assuan_SOURCES = tests/unit/test-assuan.c
tests_unit_test_assuan_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_assuan_LDADD = client/libclient.a $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-prompt-state
tests_unit_test_prompt_state_SOURCES = tests/unit/test-prompt-state.c
tests_unit_test_prompt_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SYSTEMD_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_prompt_state_LDADD = $(CLIENT_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-notify
tests_unit_test_notify_SOURCES = tests/unit/test-notify.c
tests_unit_test_notify_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SYSTEMD_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_notify_LDADD = $(CLIENT_LIBS) $(CMOCKA_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-assuan
tests_fuzz_fuzz_assuan_SOURCES = tests/fuzz/fuzz-assuan.c
tests_fuzz_fuzz_assuan_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_assuan_LDADD = tests/fuzz/libreplay.a client/libclient.a

UNIT_TESTS += tests/unit/test-doctor
tests_unit_test_doctor_SOURCES = tests/unit/test-doctor.c tests/unit/unit.h
tests_unit_test_doctor_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SYSTEMD_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_doctor_LDADD = $(CLIENT_LIBS) $(CMOCKA_LIBS)
