# The packages of the distribution: dpkg-buildpackage in the tree or in the release's. By name, since a build leaves much in here.
EXTRA_DIST += debian/changelog debian/control debian/copyright debian/rules debian/source/format \
	debian/wgfido.README.Debian debian/wgfido.lintian-overrides debian/wgfido.docs debian/wgfido.install debian/wgfido.postinst debian/wgfido.postrm \
	debian/wgfido-agent.README.Debian debian/wgfido-agent.install debian/wgfido-agent.postrm debian/wgfido-agent.prerm \
	debian/wgfido-desktop.install debian/wgfido-softtoken.install debian/tests/control debian/tests/gateway debian/tests/laptop

dist_check_SCRIPTS += tests/contract/test-debian.py
TESTS += tests/contract/test-debian.py
