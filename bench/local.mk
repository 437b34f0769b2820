noinst_PROGRAMS += bench/flow
bench_flow_SOURCES = bench/flow.c
