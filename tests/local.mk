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

FUZZ_TARGETS += tests/fuzz/fuzz-wire
tests_fuzz_fuzz_wire_SOURCES = tests/fuzz/fuzz-wire.c
tests_fuzz_fuzz_wire_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_fuzz_fuzz_wire_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_ENGINE)
tests_fuzz_fuzz_wire_LDADD = tests/fuzz/libreplay.a common/libcommon.a $(COMMON_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += $(FUZZ_TARGETS)

TEST_EXTENSIONS = .sh .py
LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/run-test
SH_LOG_COMPILER = $(SHELL)
PY_LOG_COMPILER = $(PYTHON3) -B
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(top_srcdir)'; top_builddir='$(top_builddir)'; export top_srcdir top_builddir; \
	CC='$(CC)'; PYTHON3='$(PYTHON3)'; export CC PYTHON3; \
	UBSAN_OPTIONS=print_stacktrace=1; export UBSAN_OPTIONS;

dist_noinst_SCRIPTS += tests/run-test
EXTRA_DIST += tests/fuzz/corpus
