# Fuzz targets: FUZZ_TARGETS += tests/fuzz/fuzz-NAME, linked with tests/fuzz/libreplay.a and with
# tests_fuzz_fuzz_NAME_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE); inputs in tests/fuzz/corpus/NAME.
check_LIBRARIES += tests/fuzz/libreplay.a
tests_fuzz_libreplay_a_SOURCES = tests/fuzz/replay.c
tests_fuzz_libreplay_a_CPPFLAGS = $(AM_CPPFLAGS) $(FUZZ_DEFS)
if FUZZERS
FUZZ_ENGINE = -fsanitize=fuzzer
FUZZ_DEFS = -DWGFIDO_FUZZERS
else
FUZZ_ENGINE =
FUZZ_DEFS =
endif

FUZZ_TARGETS += tests/fuzz/fuzz-config
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz-config.c
tests_fuzz_fuzz_config_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_config_LDADD = tests/fuzz/libreplay.a common/libcommon.a $(COMMON_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-window
tests_fuzz_fuzz_window_SOURCES = tests/fuzz/fuzz-window.c
tests_fuzz_fuzz_window_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_window_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_window_LDADD = tests/fuzz/libreplay.a common/libcommon.a $(COMMON_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-wire
tests_fuzz_fuzz_wire_SOURCES = tests/fuzz/fuzz-wire.c
tests_fuzz_fuzz_wire_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_wire_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_wire_LDADD = tests/fuzz/libreplay.a common/libcommon.a $(COMMON_LIBS)

# --wrap: the calls that a test makes fail.
UNIT_TESTS += tests/unit/test-clock
tests_unit_test_clock_SOURCES = tests/unit/test-clock.c tests/unit/unit.h
tests_unit_test_clock_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_clock_LDADD = common/libcommon.a $(COMMON_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-config
tests_unit_test_config_SOURCES = tests/unit/test-config.c tests/unit/unit.h
tests_unit_test_config_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_config_LDADD = common/libcommon.a $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_config_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=calloc -Wl,--wrap=reallocarray -Wl,--wrap=strdup

UNIT_TESTS += tests/unit/test-encoding
tests_unit_test_encoding_SOURCES = tests/unit/test-encoding.c tests/unit/unit.h
tests_unit_test_encoding_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_encoding_LDADD = common/libcommon.a $(COMMON_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-file
tests_unit_test_file_SOURCES = tests/unit/test-file.c tests/unit/unit.h
tests_unit_test_file_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_file_LDADD = common/libcommon.a $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_file_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=write -Wl,--wrap=fsync -Wl,--wrap=renameat -Wl,--wrap=fchmod -Wl,--wrap=fchown

UNIT_TESTS += tests/unit/test-handle
tests_unit_test_handle_SOURCES = tests/unit/test-handle.c tests/unit/unit.h
tests_unit_test_handle_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_handle_LDADD = common/libcommon.a $(COMMON_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-log
tests_unit_test_log_SOURCES = tests/unit/test-log.c tests/unit/unit.h
tests_unit_test_log_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_log_LDADD = common/libcommon.a $(COMMON_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-outcome
tests_unit_test_outcome_SOURCES = tests/unit/test-outcome.c tests/unit/unit.h
tests_unit_test_outcome_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_outcome_LDADD = common/libcommon.a $(COMMON_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-schedule
tests_unit_test_schedule_SOURCES = tests/unit/test-schedule.c tests/unit/unit.h
tests_unit_test_schedule_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_schedule_LDADD = common/libcommon.a $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_schedule_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=secret_new

UNIT_TESTS += tests/unit/test-secret
tests_unit_test_secret_SOURCES = tests/unit/test-secret.c tests/unit/unit.h
tests_unit_test_secret_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_secret_LDADD = common/libcommon.a $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_secret_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=sodium_malloc -Wl,--wrap=sodium_free -Wl,--wrap=mlock

UNIT_TESTS += tests/unit/test-window
tests_unit_test_window_SOURCES = tests/unit/test-window.c tests/unit/unit.h
tests_unit_test_window_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_window_LDADD = common/libcommon.a $(COMMON_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/test-wire
tests_unit_test_wire_SOURCES = tests/unit/test-wire.c tests/unit/unit.h
tests_unit_test_wire_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_wire_LDADD = common/libcommon.a $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_wire_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=secret_new

UNIT_TESTS += tests/unit/test-wire-x25519
tests_unit_test_wire_x25519_SOURCES = tests/unit/test-wire-x25519.c tests/unit/unit.h
tests_unit_test_wire_x25519_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_wire_x25519_LDADD = common/libcommon.a $(COMMON_LIBS) $(CMOCKA_LIBS)
tests_unit_test_wire_x25519_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=secret_new

if HAVE_CMOCKA
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += $(FUZZ_TARGETS)

# The contracts that no compiler sees.
CONTRACT_TESTS = tests/vectors/check-schedule.sh \
	tests/contract/test-headers.py tests/contract/test-layers.py tests/contract/test-style.py \
	tests/contract/test-claims.py tests/contract/test-dist.py
dist_check_SCRIPTS += $(CONTRACT_TESTS)
TESTS += $(CONTRACT_TESTS)
EXTRA_DIST += HACKING.md tests/contract/sources.py tests/vectors/schedule.py tests/vectors/schedule.txt

TEST_EXTENSIONS = .sh .py
LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/run-test
SH_LOG_COMPILER = $(SHELL)
PY_LOG_COMPILER = $(PYTHON3) -B
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(top_srcdir)'; top_builddir='$(top_builddir)'; export top_srcdir top_builddir; \
	CC='$(CC)'; PYTHON3='$(PYTHON3)'; export CC PYTHON3; \
	CONTRACT_CPPFLAGS='$(DEFS) $(AM_CPPFLAGS) $(SODIUM_CFLAGS) $(FIDO2_CFLAGS) $(HIDAPI_CFLAGS) $(SYSTEMD_CFLAGS) \
	$(MNL_CFLAGS) $(CRYPTO_CFLAGS) $(CBOR_CFLAGS) $(JANSSON_CFLAGS)'; export CONTRACT_CPPFLAGS; \
	UBSAN_OPTIONS=print_stacktrace=1; export UBSAN_OPTIONS;

# For a second compiler: without what is about texts and files, and says the same whatever compiled the programs.
.PHONY: check-compiled
check-compiled: all
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) check \
		TESTS="$(filter-out $(filter-out %/test-headers.py,$(filter tests/contract/% tests/vectors/%,$(TESTS))),$(TESTS))"

# The same without the programs as a whole, whose tests take longest and where one compiler finds what the other does.
.PHONY: check-compiled-quick
check-compiled-quick: all
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) check-compiled TESTS="$(filter-out tests/integration/%,$(TESTS))"

# The release tarball builds, installs, and has its papers; that it has every file is tests/contract/test-dist.py's to say. (distcheck
# builds and runs all tests besides, and optimises.) What compiles files one by one, and the vectors, would find what the build of
# the repository has found.
.PHONY: distcheck-quick
distcheck-quick:
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) distcheck check_PROGRAMS= check_LIBRARIES= DISTCHECK_CONFIGURE_FLAGS=CFLAGS=-O0 \
		TESTS="$(filter-out %/test-headers.py %/test-freestanding.py,$(filter tests/contract/%,$(TESTS)))"

include tests/vm/vm.mk

dist_noinst_SCRIPTS += tests/run-test
EXTRA_DIST += tests/fuzz/corpus
