# The broker's contract on the bus as seen by those that open and close tunnels: the agent and the userspace tunnel. The lease is
# a library of its own, for what knows no bus.
noinst_LIBRARIES += bus/liblease.a bus/libbus.a
bus_liblease_a_SOURCES = bus/lease.c bus/lease.h
bus_libbus_a_SOURCES = bus/bus.c bus/bus.h bus/bus-internal.h bus/bus-keys.c bus/bus-objects.c bus/question.c bus/question.h
bus_libbus_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
# What a program links for them, before common/libcommon.a and libsystemd.
BUS_LIBS = bus/libbus.a bus/liblease.a
