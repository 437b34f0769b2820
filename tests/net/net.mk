# make check-net: the tests in network namespaces with a real WireGuard at both ends. Skipped where they cannot run, unless
# WGFIDO_NET_REQUIRED=1. Folders add scripts (*.sh: an extension that the harness knows) to NET_TESTS.
NET_TESTS += tests/net/test-lib.sh tests/net/test-office.sh tests/net/test-home.sh tests/net/test-fail-closed.sh \
	tests/net/test-hunt.sh tests/net/test-both.sh tests/net/test-networkmanager.sh
if HAVE_PCSC
NET_TESTS += tests/net/test-cards.sh
endif

EXTRA_DIST += tests/net/test-cards.sh tests/net/clock-off.c tests/net/fake-networkmanager.py tests/net/lib.sh tests/net/stage.sh $(NET_TESTS)

.PHONY: check-net
check-net: all
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) $(check_PROGRAMS)
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS="$(NET_TESTS)" SH_LOG_COMPILER=
