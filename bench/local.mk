noinst_PROGRAMS += bench/flow
bench_flow_SOURCES = bench/flow.c

noinst_PROGRAMS += bench/opened
bench_opened_SOURCES = bench/opened.c
bench_opened_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
bench_opened_LDADD = agent/libdevice.a common/libcommon.a $(MNL_LIBS) $(COMMON_LIBS)

BENCHES = bench/bench-tunnel.sh bench/bench-gateway.sh
EXTRA_DIST += bench/bench-tunnel.sh bench/bench-gateway.sh

# Figures, never a verdict.
.PHONY: bench
bench: all
	@for b in $(BENCHES); do echo "== $$b"; top_builddir=. $(top_srcdir)/$$b || exit 1; done
