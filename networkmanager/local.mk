# What NetworkManager runs, and what lets the agent talk to it (without NetworkManager nothing reads them); the rule for pcscd's
# cards is in the same place.
nodist_nmdispatcher_SCRIPTS = networkmanager/90-wgfido
polkitrulesdir = $(datadir)/polkit-1/rules.d
dist_polkitrules_DATA = networkmanager/50-wgfido-networkmanager.rules polkit/50-wgfido-cards.rules

EXTRA_DIST += networkmanager/90-wgfido.in
CLEANFILES += networkmanager/90-wgfido

# Its directory is known to make only: configure leaves ${prefix} in it.
networkmanager/90-wgfido: networkmanager/90-wgfido.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e 's|@sysconfdir[@]|$(sysconfdir)|g' $(srcdir)/networkmanager/90-wgfido.in >$@.tmp && \
		chmod 755 $@.tmp && mv $@.tmp $@
