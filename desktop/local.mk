# What a desktop reads: the name and icon of the notifications.
applicationsdir = $(datadir)/applications
dist_applications_DATA = desktop/org.wgfido1.Prompt.desktop
metainfodir = $(datadir)/metainfo
dist_metainfo_DATA = desktop/org.wgfido1.Prompt.metainfo.xml
iconsdir = $(datadir)/icons/hicolor/scalable/apps
dist_icons_DATA = desktop/wgfido.svg
symbolicdir = $(datadir)/icons/hicolor/symbolic/apps
dist_symbolic_DATA = desktop/wgfido-symbolic.svg

dist_check_SCRIPTS += tests/contract/test-desktop-entry.py
TESTS += tests/contract/test-desktop-entry.py
