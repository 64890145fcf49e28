# cancel-invite-milter
#
#   make            build build/cancel-invite-milter
#   make demo       install what is missing, run the main job for real, show what was delivered
#                   (in queued mode; MODE=direct shows the other one)
#   make check      install what is missing, run every test
#   make install    PREFIX (/usr/local), DESTDIR, SYSCONFDIR
#   make lint asan tsan bench fuzz clean uninstall
#
# V=1 shows the commands.

VERSION = 0.1.0
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
	-DSYSCONFDIR='"$(SYSCONFDIR)"' $(WARNINGS) -MMD -MP -pthread \
	$(if $(SANITIZE),-fno-omit-frame-pointer $(SANITIZE),$(HARDENING)) $(CFLAGS) $(CPPFLAGS)
ALL_LDFLAGS = -pthread $(if $(SANITIZE),$(SANITIZE),-pie -Wl,-z,relro,-z,now) $(LDFLAGS)
LIBS = -lmilter -lcurl -lcjson -lical -lcrypto -lmicrohttpd

SOURCES = $(wildcard milter/*.c)
OBJECTS = $(SOURCES:milter/%.c=$(BUILD)/milter/%.o)
# Everything but main: what tests, benchmarks and fuzzers are linked with.
CORE = $(filter-out $(BUILD)/milter/main.o,$(OBJECTS))

UNIT_TESTS = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
REPLAYS = $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/replay_%,$(wildcard tests/fuzz/fuzz_*.c))
BENCHES = $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))

FUZZ_HEADERS = $(wildcard tests/fuzz/*.h milter/*.h)

Q = $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-5s %s\n' $(1) $(2))

all: $(BUILD)/$(NAME)

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
	$(Q)$(CC) $(ALL_CFLAGS) -Imilter $(ALL_LDFLAGS) -o $@ $< $(CORE) -lcmocka $(LIBS)

$(BUILD)/bench/%: tests/bench/%.c $(CORE)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Imilter $(ALL_LDFLAGS) -o $@ $< $(CORE) $(LIBS)

$(BUILD)/mime_tree_gmime: tests/lab/mime_tree_gmime.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -O2 -Wall -Wextra -Werror $$(pkg-config --cflags gmime-3.0) -o $@ $< \
		$$(pkg-config --libs gmime-3.0)

-include $(OBJECTS:.o=.d) $(UNIT_TESTS:=.d) $(BENCHES:=.d)

deps:
	@tests/deps build

check-deps:
	@tests/deps check

# The dependencies come first, also under -j.
demo: may-demo
check demo: check-deps
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory run-$@

run-check: $(UNIT_TESTS) $(REPLAYS) $(BUILD)/mime_tree_gmime
	@tests/run $(BUILD)

# A private Postfix needs root.
run-demo:
	@if [ "$$(id -u)" -eq 0 ]; then tests/demo $(MODE); else sudo tests/demo $(MODE); fi

may-demo:
	@[ "$$(id -u)" -eq 0 ] || command -v sudo >/dev/null || \
		{ echo "demo: a private Postfix needs root: run it as root or with sudo"; exit 1; }

# The same tests with the sanitizers watching.
asan: check-deps
	@$(MAKE) --no-print-directory BUILD=build/asan CFLAGS='-O1 -g' \
		SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined' all run-check

tsan: check-deps
	@TSAN_OPTIONS=suppressions=$(CURDIR)/tests/tsan.supp $(MAKE) --no-print-directory BUILD=build/tsan CFLAGS='-O1 -g' \
		SANITIZE='-fsanitize=thread' all run-check

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
	$(Q)clang -std=c11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -g -O1 -Imilter -pthread \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		-o $@ $(filter %.c,$^) $(LIBS)

# The same harnesses over seeds and their mutations, without libFuzzer: a part of the tests.
$(BUILD)/fuzz/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(CORE) $(FUZZ_HEADERS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -Imilter $(ALL_LDFLAGS) -o $@ \
		$(filter %.c %.o,$^) $(LIBS)

lint:
	@command -v cppcheck clang-tidy >/dev/null || { echo "lint needs cppcheck and clang-tidy"; exit 1; }
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --suppress=ctuuninitvar \
		--error-exitcode=1 -D_GNU_SOURCE -DVERSION='""' milter
	$(Q)clang-tidy --quiet $(SOURCES) -- -std=c11 -D_GNU_SOURCE -DVERSION='""' -pthread

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(SYSCONFDIR)/$(NAME) \
		$(DESTDIR)$(PREFIX)/share/doc/$(NAME)
	install -m 0755 $(BUILD)/$(NAME) $(DESTDIR)$(PREFIX)/sbin/$(NAME)
	test -e $(DESTDIR)$(SYSCONFDIR)/$(NAME)/$(NAME).conf || \
		install -m 0644 conf/$(NAME).conf $(DESTDIR)$(SYSCONFDIR)/$(NAME)/$(NAME).conf
	install -m 0644 README.md LICENSE conf/$(NAME).conf conf/postfix/main.cf.direct \
		conf/sendmail/direct.mc conf/prometheus/$(NAME).rules.yml \
		conf/grafana/$(NAME).json $(DESTDIR)$(PREFIX)/share/doc/$(NAME)

# The configuration and the keys stay.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/$(NAME)
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/$(NAME)

clean:
	rm -rf build

.PHONY: all may-demo deps check-deps check demo run-check run-demo asan tsan bench run-bench fuzz lint \
	install uninstall clean
