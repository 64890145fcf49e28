# cancel-invite-milter
#
#   make            build build/cancel-invite-milter
#   make demo       install what is missing, run the main job for real, show what was delivered
#                   (in queued mode; MODE=direct shows the other one)
#   make check      install what is missing, run every test
#   make check-examples  run the examples of conf/developers in all their languages
#   make install    PREFIX (/usr/local), DESTDIR, SYSCONFDIR
#   make deb        build a Debian package
#   make check-deb  try it in fresh Debians, as make check does; make check-in SUITE=trixie: run
#                   make check in one
#   make dist       the source archive
#   make lint asan tsan coverage valgrind bench fuzz torture soak clean uninstall
#
# V=1 shows the commands.

VERSION = 0.2.0
PREFIX = /usr/local
SYSCONFDIR = /etc
DESTDIR =
BUILD = build
MODE = queued
NAME = cancel-invite-milter

CC = gcc
CFLAGS = -O2 -g
WARNINGS = -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wstrict-prototypes \
	-Wno-format-truncation
HARDENING = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
SANITIZE =
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' \
	-DSYSCONFDIR='"$(SYSCONFDIR)"' $(INCLUDES) $(SYSTEMD_FLAGS) $(REDIS_TLS_FLAGS) $(WARNINGS) -MMD -MP -pthread \
	$(if $(SANITIZE),-fno-omit-frame-pointer $(SANITIZE),$(HARDENING)) $(CFLAGS) $(CPPFLAGS)
ALL_LDFLAGS = -pthread $(if $(SANITIZE),$(SANITIZE),-pie -Wl,-z,relro,-z,now) $(LDFLAGS)
LIBS = -lmilter -lcurl -lcjson -lical -lcrypto -lmicrohttpd -lsqlite3 -lhiredis $(REDIS_TLS_LIBS) $(SYSTEMD_LIBS)

# Telling systemd how the filter is: SYSTEMD=no leaves it out where there is libsystemd.
SYSTEMD := $(shell pkg-config --exists libsystemd 2>/dev/null && echo yes || echo no)
SYSTEMD_LIBS = $(if $(filter yes,$(SYSTEMD)),-lsystemd)
SYSTEMD_FLAGS = $(if $(filter yes,$(SYSTEMD)),-DHAVE_SYSTEMD)

# TLS to Redis, where hiredis has it (1.0 and later).
REDIS_TLS := $(shell pkg-config --exists hiredis_ssl 2>/dev/null && echo yes || echo no)
REDIS_TLS_LIBS = $(if $(filter yes,$(REDIS_TLS)),-lhiredis_ssl -lssl)
REDIS_TLS_FLAGS = $(if $(filter yes,$(REDIS_TLS)),-DHAVE_HIREDIS_SSL)

# Each folder is a room; milter/README.md draws them.
ROOMS = $(wildcard milter/*/)
SOURCES = $(wildcard milter/*.c milter/*/*.c)
INCLUDES = $(ROOMS:%/=-I%)
OBJECTS = $(SOURCES:milter/%.c=$(BUILD)/milter/%.o)
# Everything but main: what tests, benchmarks and fuzzers are linked with.
CORE = $(filter-out $(BUILD)/milter/main.o,$(OBJECTS))

UNIT_TESTS = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
REPLAYS = $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/replay_%,$(wildcard tests/fuzz/fuzz_*.c))
BENCHES = $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))

FUZZ_HEADERS = $(wildcard tests/fuzz/*.h milter/*/*.h)

Q = $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-5s %s\n' $(1) $(2))

# What root makes in somebody else's checkout becomes theirs: they build there, too.
give_back = @[ "$$(id -u)" -ne 0 ] || find $(BUILD) -path build/packaging -prune -o \
	-uid 0 -exec chown --no-dereference --reference=. {} +

all: $(BUILD)/$(NAME)
	$(give_back)

$(BUILD)/$(NAME): $(OBJECTS)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/milter/%.o: milter/%.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(CORE)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(CORE) -lcmocka $(LIBS)

# Our own allocations are that test's to let fail.
$(BUILD)/unit/test_allocations: ALL_LDFLAGS += \
	$(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc strdup strndup getrandom)
comma = ,

$(BUILD)/bench/%: tests/bench/%.c $(CORE)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(CORE) $(LIBS)

$(BUILD)/mime_tree_gmime: tests/lab/mime_tree_gmime.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -O2 -Wall -Wextra -Werror $$(pkg-config --cflags gmime-3.0) -o $@ $< \
		$$(pkg-config --libs gmime-3.0)

# As where there is no libsystemd; the tests run both.
$(BUILD)/plain/service.o: milter/daemon/service.c milter/daemon/service.h Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -MMD -MP -DHAVE_SYSTEMD,$(ALL_CFLAGS)) -c -o $@ $<

$(BUILD)/plain/$(NAME): $(BUILD)/plain/service.o $(filter-out $(BUILD)/milter/daemon/service.o,$(OBJECTS))
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(filter-out -lsystemd,$(LIBS))

-include $(OBJECTS:.o=.d) $(UNIT_TESTS:=.d) $(BENCHES:=.d)

deps:
	@tests/deps build

check-deps:
	@tests/deps check

demo-deps: may-demo
	@tests/deps demo

# The examples' languages, but for those that are a gigabyte.
languages: check-deps
	@tests/deps languages

# As many at once as there are processors, unless make was told how many.
ALL_AT_ONCE = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$$(nproc))

machines: check-deps
	@tests/deps machines

# The dependencies come first, also under -j.
check: languages machines
demo: demo-deps
check demo:
	@$(MAKE) --no-print-directory $(ALL_AT_ONCE) prepare-$@
	@$(MAKE) --no-print-directory run-$@
	$(give_back)

prepare-demo: all

prepare-check: all $(UNIT_TESTS) $(REPLAYS) $(BENCHES) $(BUILD)/mime_tree_gmime $(BUILD)/plain/$(NAME)

run-check: prepare-check
	@tests/run $(BUILD)

# A private Postfix needs root.
run-demo:
	@if [ "$$(id -u)" -eq 0 ]; then tests/demo $(MODE); else sudo tests/demo $(MODE); fi

may-demo:
	@[ "$$(id -u)" -eq 0 ] || command -v sudo >/dev/null || \
		{ echo "demo: a private Postfix needs root: run it as root or with sudo"; exit 1; }

# All the examples of conf/developers; "make check" leaves out those whose language is missing.
check-examples:
	@tests/deps examples
	@$(MAKE) --no-print-directory all run-check-examples

run-check-examples:
	@CIM_BINARY=$(CURDIR)/$(BUILD)/$(NAME) /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider -n 2 \
		tests/integration/test_developer_examples.py

# The same tests with the sanitizers watching.
asan: check-deps
	@CIM_MACHINES=no $(MAKE) --no-print-directory BUILD=build/asan CFLAGS='-O1 -g' \
		SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined' all run-check

tsan: check-deps
	@CIM_MACHINES=no TSAN_OPTIONS="suppressions='$(CURDIR)/tests/tsan.supp'" \
		$(MAKE) --no-print-directory BUILD=build/tsan CFLAGS='-O1 -g' SANITIZE='-fsanitize=thread' all run-check

# Which lines unit tests and seeds run; fails if a parser has less than 95 % of its own.
coverage: check-deps
	@$(MAKE) --no-print-directory BUILD=build/coverage CFLAGS='-O0 -g' SANITIZE='--coverage' run-coverage

run-coverage: $(UNIT_TESTS) $(REPLAYS)
	@tests/coverage $(BUILD)

# The command line and the protocol with memcheck watching; what it finds is in build/valgrind. Tests
# that are about time or memory are left out: the filter takes some thirty times as long.
valgrind: check-deps
	@$(MAKE) --no-print-directory all
	@tests/valgrind $(BUILD)

# Ratios against a baseline in the same run; no tests.
bench: check-deps
	@$(MAKE) --no-print-directory all run-bench

run-bench: $(BENCHES)
	@/usr/bin/python3 tests/bench/run.py $(BUILD)

# Each parser for FUZZ_SECONDS with libFuzzer, which needs clang.
FUZZ_SECONDS = 60
FUZZERS = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

fuzz: $(FUZZERS:%=fuzz-%)

fuzz-%: build/fuzz/fuzz_%
	mkdir -p build/fuzz/corpus/$*
	$< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -artifact_prefix=build/fuzz/ build/fuzz/corpus/$* $(wildcard tests/fuzz/seeds/$*)

build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(filter-out milter/main.c,$(SOURCES)) $(FUZZ_HEADERS)
	$(call say,CLANG,$<)
	$(Q)mkdir -p $(@D)
	$(Q)clang -std=c11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(INCLUDES) $(SYSTEMD_FLAGS) $(REDIS_TLS_FLAGS) -g -O1 -pthread \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		-o $@ $(filter %.c,$^) $(LIBS)

# The same harnesses over seeds and their mutations, without libFuzzer: a part of the tests.
$(BUILD)/fuzz/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(CORE) $(FUZZ_HEADERS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) $(ALL_LDFLAGS) -o $@ \
		$(filter %.c %.o,$^) $(LIBS)

# Each call of the filter fails once, over all positions: up to two hours; TORTURE='--seconds 60 second'
# takes a sample. make soak sends 100,000 messages of all kinds.
TORTURE =

torture soak: check-deps
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory run-$@

run-torture:
	@CIM_BINARY=$(CURDIR)/$(BUILD)/$(NAME) /usr/bin/python3 tests/torture/run.py $(TORTURE)

run-soak:
	@CIM_BINARY=$(CURDIR)/$(BUILD)/$(NAME) /usr/bin/python3 tests/torture/soak.py

lint:
	@command -v cppcheck clang-tidy >/dev/null || { echo "lint needs cppcheck and clang-tidy"; exit 1; }
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --suppress=ctuuninitvar \
		--error-exitcode=1 -D_GNU_SOURCE -DVERSION='""' $(INCLUDES) milter
	$(Q)if command -v shellcheck >/dev/null; then shellcheck -x conf/setup/cancel-invite-setup; fi
	$(Q)clang-tidy --quiet $(SOURCES) -- -std=c11 -D_GNU_SOURCE -DVERSION='""' $(INCLUDES) $(SYSTEMD_FLAGS) $(REDIS_TLS_FLAGS) -pthread

# ---- installing ----

DOCDIR = $(PREFIX)/share/doc/$(NAME)
SHAREDIR = $(PREFIX)/share/$(NAME)
UNITDIR = $(PREFIX)/lib/systemd/system
SYSUSERSDIR = $(PREFIX)/lib/sysusers.d
TMPFILESDIR = $(PREFIX)/lib/tmpfiles.d
COMPLETIONDIR = $(PREFIX)/share/bash-completion/completions
MANUALS = $(wildcard conf/man/*.[1-8])
# What an administrator copies from, by folder; a file may be a program.
EXAMPLES = $(filter-out conf/systemd/% conf/debian/% conf/man/% conf/bash-completion/% conf/setup/%,\
	$(wildcard conf/*/*))

# What cancel-invite-setup works with, which is no document.
SETUP_FILES = $(wildcard conf/setup/*.bash conf/postfix/* conf/opendkim/* conf/rspamd/* conf/sendmail/*)
COMPLETIONS = $(notdir $(wildcard conf/bash-completion/*))

# Where things are, for files that say so.
PLACES = sed -e 's|/usr/sbin/$(NAME)|$(PREFIX)/sbin/$(NAME)|' \
	-e 's|/etc/$(NAME)|$(SYSCONFDIR)/$(NAME)|' -e 's|/usr/share/doc/$(NAME)|$(DOCDIR)|' \
	$(if $(filter no,$(SYSTEMD)),-e 's/^Type=notify/Type=exec/' -e '/^WatchdogSec=/d')

LINKS = sed -f conf/links.sed

define put # MODE TARGET: standard input
{ install -D -m $(1) /dev/null "$(DESTDIR)$(2)" && cat >"$(DESTDIR)$(2)"; }
endef

# The configuration and the keys that are there stay as they are.
install: all
	install -D -m 0755 $(BUILD)/$(NAME) "$(DESTDIR)$(PREFIX)/sbin/$(NAME)"
	$(PLACES) conf/systemd/$(NAME).service | $(call put,0644,$(UNITDIR)/$(NAME).service)
	$(PLACES) conf/systemd/sysusers.conf | $(call put,0644,$(SYSUSERSDIR)/$(NAME).conf)
	$(PLACES) conf/systemd/tmpfiles.conf | $(call put,0644,$(TMPFILESDIR)/$(NAME).conf)
	$(PLACES) conf/setup/cancel-invite-setup | $(call put,0755,$(PREFIX)/sbin/cancel-invite-setup)
	for file in $(SETUP_FILES); do \
		install -D -m 0644 $$file "$(DESTDIR)$(SHAREDIR)/$${file#conf/}" || exit; \
	done
	for name in $(COMPLETIONS); do \
		$(PLACES) conf/bash-completion/$$name | $(call put,0644,$(COMPLETIONDIR)/$$name) || exit; \
	done
	for page in $(MANUALS); do \
		$(PLACES) $$page | \
			$(call put,0644,$(PREFIX)/share/man/man$${page##*.}/$${page##*/}) || exit; \
	done
	for page in README.md conf/TROUBLESHOOTING.md; do \
		$(LINKS) $$page | $(call put,0644,$(DOCDIR)/$${page##*/}) || exit; \
	done
	for page in $(filter %.md,$(EXAMPLES)); do \
		$(LINKS) $$page | $(call put,0644,$(DOCDIR)/examples/$${page#conf/}) || exit; \
	done
	for file in $(filter-out %.md,$(EXAMPLES)); do \
		mode=0644; [ ! -x $$file ] || mode=0755; \
		install -D -m $$mode $$file "$(DESTDIR)$(DOCDIR)/examples/$${file#conf/}" || exit; \
	done
	install -D -m 0644 conf/systemd/$(NAME).service.d/postfix-chroot.conf.example \
		"$(DESTDIR)$(DOCDIR)/examples/systemd/postfix-chroot.conf"
	install -m 0644 LICENSE CHANGELOG.md SECURITY.md conf/$(NAME).conf "$(DESTDIR)$(DOCDIR)"
	install -d -m 0755 "$(DESTDIR)$(SYSCONFDIR)/$(NAME)"
	install -d -m 0700 "$(DESTDIR)$(SYSCONFDIR)/$(NAME)/keys"
	test -e "$(DESTDIR)$(SYSCONFDIR)/$(NAME)/$(NAME).conf" || \
		install -m 0644 conf/$(NAME).conf "$(DESTDIR)$(SYSCONFDIR)/$(NAME)/$(NAME).conf"

# All that install puts there, and the links of "systemctl enable", but for the configuration and the
# keys. Without DESTDIR it stops the service, too.
uninstall:
	[ -n "$(DESTDIR)" ] || [ ! -e "$(UNITDIR)/$(NAME).service" ] || [ ! -d /run/systemd/system ] || \
		systemctl stop $(NAME).service
	for link in "$(DESTDIR)"/etc/systemd/system/*.wants/$(NAME).service; do \
		[ "$$(readlink "$$link")" != "$(UNITDIR)/$(NAME).service" ] || rm -f "$$link" || exit; \
	done
	rm -f "$(DESTDIR)$(PREFIX)/sbin/$(NAME)" "$(DESTDIR)$(PREFIX)/sbin/cancel-invite-setup" "$(DESTDIR)$(UNITDIR)/$(NAME).service" \
		"$(DESTDIR)$(SYSUSERSDIR)/$(NAME).conf" "$(DESTDIR)$(TMPFILESDIR)/$(NAME).conf" \
		$(COMPLETIONS:%="$(DESTDIR)$(COMPLETIONDIR)/%")
	for page in $(MANUALS); do \
		rm -f "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}" || exit; \
	done
	rm -rf "$(DESTDIR)$(DOCDIR)" "$(DESTDIR)$(SHAREDIR)"

# ---- packages ----

# The source as it was committed; the same bytes for the same commit.
dist:
	@[ "$$(git rev-parse --show-toplevel)" = "$$(pwd -P)" ] || \
		{ echo "dist: the source archive is made in a git checkout, and this is none" >&2; exit 1; }
	$(Q)mkdir -p build
	git archive --format=tar --prefix=$(NAME)-$(VERSION)/ -o build/$(NAME)-$(VERSION).tar HEAD
	gzip -9nf build/$(NAME)-$(VERSION).tar

# The binary package, build/$(NAME)_$(VERSION)-1_ARCHITECTURE.deb; the same bytes for the same
# source on the same Debian.
deb:
	@tests/deps deb
	@conf/debian/build $(VERSION) build
	$(give_back)

# The package in fresh Debians, booted and not, as "make check" does: needs root, downloads them once.
check-deb:
	@tests/deps check-deb
	@tests/packaging/run $(SUITE)

# The whole "make check" in a fresh Debian of a SUITE.
check-in:
	@tests/deps check-deb
	@tests/packaging/check-in $(or $(SUITE),bookworm)

clean:
	rm -rf build

.PHONY: all torture soak run-torture run-soak may-demo deps check-deps demo-deps languages machines check prepare-check run-check \
	check-examples run-check-examples demo prepare-demo run-demo asan tsan coverage run-coverage \
	valgrind bench run-bench fuzz lint install uninstall dist deb check-deb check-in clean
