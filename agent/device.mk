noinst_LIBRARIES += agent/libdevice.a
agent_libdevice_a_SOURCES = \
	agent/device.c agent/device.h \
	agent/device-attributes.h agent/device-build.h \
	agent/device-io.c agent/device-io.h \
	agent/device-netlink.c \
	agent/device-netlink-decode.c \
	agent/device-netlink-encode.c \
	agent/device-netlink-message.h \
	agent/device-set.c \
	agent/device-uapi.c agent/device-uapi.h \
	agent/device-uapi-encode.c \
	agent/device-uapi-parse.c \
	agent/device-uapi-text.h \
	agent/device-watch.c agent/device-watch.h \
	agent/device-watch-dir.c
agent_libdevice_a_CFLAGS = $(AM_CFLAGS) $(MNL_CFLAGS) $(SODIUM_CFLAGS)
# What a program links for it.
DEVICE_LIBS = agent/libdevice.a common/libcommon.a $(MNL_LIBS) $(COMMON_LIBS)

NET_TESTS =

include tests/net/net.mk

check_PROGRAMS += tests/net/device-tool
tests_net_device_tool_SOURCES = tests/net/device-tool.c
tests_net_device_tool_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_net_device_tool_LDADD = $(DEVICE_LIBS)
NET_TESTS += tests/net/test-device.sh
