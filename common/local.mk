noinst_LIBRARIES += common/libcommon.a
common_libcommon_a_SOURCES = \
	common/clock.c common/clock.h \
	common/config.c common/config-file.c common/config.h \
	common/encoding.c common/encoding.h \
	common/file.c common/file.h \
	common/handle.c common/handle.h \
	common/log.c common/log.h \
	common/names.h \
	common/outcome.c common/outcome.h \
	common/schedule.c common/schedule.h \
	common/secret.c common/secret.h \
	common/window.c common/window-file.c common/window.h \
	common/window-plan.c common/window-plan.h \
	common/wire-card.c common/wire-card.h \
	common/wire.c common/wire-fields.c common/wire-fields.h common/wire-x25519.c common/wire.h
common_libcommon_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(INIH_CFLAGS)
# What a program that links common/libcommon.a links behind it.
COMMON_LIBS = $(INIH_LIBS) $(SODIUM_LIBS)
