# cancel-invite-milter
#
#   make            build build/cancel-invite-milter
#   make demo       install what is missing, run the main job for real, show what was delivered
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
NAME = cancel-invite-milter

CC = gcc
CFLAGS = -O2 -g
WARNINGS = -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wstrict-prototypes
HARDENING = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
SANITIZE =
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(WARNINGS) -MMD -MP -pthread \
	$(if $(SANITIZE),-fno-omit-frame-pointer $(SANITIZE),$(HARDENING)) $(CFLAGS) $(CPPFLAGS)
ALL_LDFLAGS = -pthread $(if $(SANITIZE),$(SANITIZE),-pie -Wl,-z,relro,-z,now) $(LDFLAGS)
LIBS = -lmilter -lcurl -lcjson -lical -linih

SOURCES = $(wildcard milter/*.c)
OBJECTS = $(SOURCES:milter/%.c=$(BUILD)/milter/%.o)
# Everything but main: what tests, benchmarks and fuzzers are linked with.
CORE = $(filter-out $(BUILD)/milter/main.o,$(OBJECTS))

UNIT_TESTS = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
BENCHES = $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))

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
check demo: check-deps
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory run-$@

run-check: $(UNIT_TESTS) $(BUILD)/mime_tree_gmime
	@tests/run $(BUILD)

run-demo:
	@tests/demo $(BUILD)/$(NAME)

# The same tests with the sanitizers watching.
asan: check-deps
	@$(MAKE) --no-print-directory BUILD=build/asan CFLAGS='-O1 -g' \
		SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined' all run-check

tsan: check-deps
	@$(MAKE) --no-print-directory BUILD=build/tsan CFLAGS='-O1 -g' \
		SANITIZE='-fsanitize=thread' all run-check

clean:
	rm -rf build

.PHONY: all deps check-deps check demo run-check run-demo asan tsan clean
