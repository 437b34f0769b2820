# What systemd and udev read. The broker and the agent have files of their own, since a gateway installs only the latter.
nodist_systemdsystemunit_DATA = systemd/wgfidod.service systemd/wgfido-rotate.service systemd/wgfido-rotate-gateway.service \
	systemd/wgfido-tunnel@.service
nodist_systemduserunit_DATA = systemd/user/wgfido-prompt.service
dist_sysusers_DATA = systemd/sysusers.d/wgfido.conf systemd/sysusers.d/wgfido-net.conf
dist_tmpfiles_DATA = systemd/tmpfiles.d/wgfido.conf
nodist_pkglibexec_SCRIPTS = systemd/wgfido-quick
nodist_tmpfiles_DATA = systemd/tmpfiles.d/wgfido-net.conf
dist_udevrules_DATA = udev/72-wgfido.rules

SYSTEMD_MADE = $(nodist_systemdsystemunit_DATA) $(nodist_pkglibexec_SCRIPTS) $(nodist_systemduserunit_DATA) $(nodist_tmpfiles_DATA)
EXTRA_DIST += $(SYSTEMD_MADE:=.in)
CLEANFILES += $(SYSTEMD_MADE)

# Directories are known to make only: configure leaves ${prefix} in them.
$(SYSTEMD_MADE): %: %.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e 's|@pkglibexecdir[@]|$(pkglibexecdir)|g' -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@bindir[@]|$(bindir)|g' \
		-e 's|@sysconfdir[@]|$(sysconfdir)|g' $< >$@.tmp && { test $@ != systemd/wgfido-quick || chmod +x $@.tmp; } && mv $@.tmp $@

UNIT_FILE_TESTS = tests/contract/test-units.py tests/contract/test-install.py
dist_check_SCRIPTS += $(UNIT_FILE_TESTS)
TESTS += $(UNIT_FILE_TESTS)
