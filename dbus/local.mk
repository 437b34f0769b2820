# What the message bus and polkit read.
dbuspolicydir = $(datadir)/dbus-1/system.d
dbusservicedir = $(datadir)/dbus-1/system-services
dbusinterfacesdir = $(datadir)/dbus-1/interfaces
polkitactionsdir = $(datadir)/polkit-1/actions

dist_dbuspolicy_DATA = dbus/org.wgfido1.conf
dist_dbusservice_DATA = dbus/org.wgfido1.service
dist_dbusinterfaces_DATA = \
	dbus/org.wgfido1.Manager.xml \
	dbus/org.wgfido1.Peer.xml \
	dbus/org.wgfido1.Token.xml \
	dbus/org.wgfido1.Tunnel.xml
dist_polkitactions_DATA = polkit/org.wgfido1.policy
