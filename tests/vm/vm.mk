# make check-vm: the tests in a virtual machine with the distribution's kernel. Skipped where its programs are missing, unless
# VM_REQUIRED=1. Every script in tests/vm/fast and tests/vm/full is run.
EXTRA_DIST += tests/vm/check-vm tests/vm/artefacts.sh tests/vm/initramfs-init tests/vm/image-setup \
	tests/vm/guest-fast tests/vm/guest-run tests/vm/lib.sh tests/vm/full-lib.sh tests/vm/full-both.sh tests/vm/packages-lib.sh

check_PROGRAMS += tests/vm/hub
tests_vm_hub_SOURCES = tests/vm/hub.c

check_PROGRAMS += tests/vm/kernel-clock
tests_vm_kernel_clock_SOURCES = tests/vm/kernel-clock.c

.PHONY: check-vm
check-vm: all
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) $(check_PROGRAMS)
	$(AM_V_at)top_builddir=. $(top_srcdir)/tests/vm/check-vm $(VM_TESTS); status=$$?; test $$status = 77 || exit $$status

# By pattern, as they are run; a folder in EXTRA_DIST would bring the build's logs along.
dist-hook: dist-check-script
	$(MKDIR_P) $(distdir)/tests/vm/fast $(distdir)/tests/vm/full
	cp -p $(srcdir)/tests/vm/fast/*.sh $(distdir)/tests/vm/fast/
	cp -p $(srcdir)/tests/vm/full/*.sh $(distdir)/tests/vm/full/

# The kernel and the images are a download each: they stay until distclean.
clean-local:
	-rm -rf vm/out-* tests/vm/*.log tests/vm/*.trs tests/vm/*/*.log tests/vm/*/*.trs
distclean-local:
	-rm -rf vm
	-rmdir tests/vm/fast tests/vm/full tests/vm 2>/dev/null
