# holdfast: build, test, demo, bench. `make help` lists the targets.
#
# One folder a Lua: build/5.4, build/luajit ... Objects that know nothing of
# Lua are compiled once, into build/obj.

, := ,
LUA      ?= lua5.4
PREFIX   ?= /usr/local
LIBDIR   ?= $(PREFIX)/lib
CRATES   ?= /usr/share/cargo/registry
CC       ?= cc
# Whoever looks for faults wants lines in the reports, not speed: the whole tree again in half the time.
CFLAGS   ?= $(if $(filter address thread,$(SANITIZE)),-O1 -g1,-O2 -g)
# WERROR=1 makes errors of warnings, as every check of ours does; a packager's compiler may know more of them than ours.
WERROR   ?=
WARNINGS ?= -Wall -Wextra -Wpedantic -Wshadow -Wconversion $(if $(filter-out 0,$(WERROR)),-Werror)

# 5.4, lua5.4 and luajit are all understood.
VERSION := $(patsubst lua5.%,5.%,$(LUA))
ifeq ($(filter $(VERSION),5.1 5.2 5.3 5.4 luajit),)
$(error LUA must be one of lua5.1 lua5.2 lua5.3 lua5.4 luajit (or 5.1 ...), not '$(LUA)')
endif
INTERPRETER := $(patsubst 5.%,lua5.%,$(VERSION))
ABI         := $(patsubst luajit,5.1,$(VERSION))
HEADERS     := $(patsubst luajit,luajit-2.1,$(INTERPRETER))
LUA_INCDIR  ?= $(firstword $(wildcard /usr/local/include/$(HEADERS) /usr/include/$(HEADERS)) /usr/include/$(HEADERS))

# SANITIZE=address (with undefined), thread, or fuzzer (both of the first, for clang's libFuzzer): the same tree,
# instrumented, in a folder of its own.
SANITIZE  ?=
CHECKERS  := $(patsubst address,address$(,)undefined,$(patsubst fuzzer,address$(,)undefined$(,)fuzzer-no-link,$(SANITIZE)))
BUILD    ?= build$(if $(SANITIZE),/$(SANITIZE))
HERE     := $(BUILD)/$(VERSION)

FLAGS   := -std=c11 -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -Icsrc -fPIC -fvisibility=hidden -pthread $(WARNINGS) \
           $(if $(SANITIZE),-fsanitize=$(CHECKERS) -fno-omit-frame-pointer) \
           $(if $(filter address fuzzer,$(SANITIZE)),-fno-sanitize-recover=all)
LINK    := -shared -pthread -Wl,-z,nodelete -Wl,--as-needed $(if $(SANITIZE),-fsanitize=$(CHECKERS))
# Where the processor has no atomics of 64 bits (MIPS, older ARM) a library of the compiler's has them.
ATOMICS := $(shell echo 'int main(void) { static _Atomic(unsigned long long) n; return (int)n++; }' | \
             $(CC) -std=c11 -xc - -o /dev/null 2>/dev/null || echo -latomic)
# Paho, OpenSSL and SQLite are loaded by those that need them (csrc/sys/library.h).
LIBS    := -lwslay -ldl -lresolv $(ATOMICS) # the last but one is for a C library that has it apart

SOURCES := $(shell find csrc -name '*.c' | sort)
BINDING := $(filter-out csrc/lua/quic.c,$(filter csrc/lua/%,$(SOURCES)))
PLAIN   := $(filter-out csrc/lua/% csrc/quic/%,$(SOURCES))
PROBES  := $(sort $(wildcard spec/support/*_probe.c))
# The specs' QUIC server, where what it is made of is there, and a network for it.
QUIC_SERVER := $(if $(wildcard /usr/include/ngtcp2/ngtcp2_crypto_gnutls.h),$(BUILD)/spec/quic_server) $(BUILD)/spec/quic_noise
MODULES := $(shell find lua -name '*.lua' | sort)

PLAIN_OBJECTS   := $(PLAIN:csrc/%.c=$(BUILD)/obj/%.o)
BINDING_OBJECTS := $(BINDING:csrc/%.c=$(HERE)/obj/%.o)
CORE            := $(HERE)/holdfast/core.so

# A shared object of its own where the headers of what it is made of are: MQTT over QUIC.
QUIC_HEADERS := ngtcp2/ngtcp2_crypto_gnutls.h gnutls/gnutls.h
HAS_QUIC     := $(if $(filter-out 2,$(words $(foreach header,$(QUIC_HEADERS),$(firstword \
                  $(wildcard /usr/include/$(header) /usr/local/include/$(header)))))),,yes)
QUIC         := $(if $(HAS_QUIC),$(HERE)/holdfast/quic.so)
QUIC_OBJECTS := $(patsubst csrc/%.c,$(BUILD)/obj/%.o,$(filter csrc/quic/%,$(SOURCES)))
# What it has of the floors below: a copy, which keeps no state of its own but what it is handed.
QUIC_BELOW   := $(patsubst %,$(BUILD)/obj/%.o,core/heap core/reason core/step stream/inspect sys/clock sys/loop sys/pollset sys/private sys/tcp_socket)
QUIC_LIBS    := -lngtcp2_crypto_gnutls -lngtcp2 -lgnutls
PROBE_MODULES   := $(PROBES:spec/support/%.c=$(HERE)/spec/%.so)

all: $(CORE) $(QUIC) ## build the module for LUA (default lua5.4)

# Written aside and moved into place: a second make, or an interpreter that has the old file mapped, never sees half
# of it.
define compile
@mkdir -p $(@D)
$(CC) $(CPPFLAGS) $(CFLAGS) $(FLAGS) $1 -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@.$$$$ $< && mv -f $@.$$$$ $@
endef
define link
@mkdir -p $(@D)
$(CC) $(CFLAGS) $(LDFLAGS) $(LINK) -o $@.$$$$ $1 $(LIBS) && mv -f $@.$$$$ $@
endef

$(PLAIN_OBJECTS) $(QUIC_OBJECTS): $(BUILD)/obj/%.o: csrc/%.c Makefile
	$(call compile)

$(BINDING_OBJECTS) $(HERE)/obj/lua/quic.o: $(HERE)/obj/%.o: csrc/%.c Makefile
	$(call compile,-I$(LUA_INCDIR))

# The scripted link is for specs.
$(CORE): $(filter-out $(BUILD)/obj/link/fake_%,$(PLAIN_OBJECTS)) $(BINDING_OBJECTS)
	$(call link,$^)

$(HERE)/holdfast/quic.so: LIBS := $(QUIC_LIBS) -ldl $(ATOMICS)
$(HERE)/holdfast/quic.so: $(QUIC_OBJECTS) $(HERE)/obj/lua/quic.o $(QUIC_BELOW)
	$(call link,$^)

# A probe is a small Lua module of one spec over the C floors, without the binding.
spec-support: $(PROBE_MODULES) $(QUIC_SERVER) $(if $(filter address thread,$(SANITIZE)),$(HERE)/interpreter) ## build what specs load besides the module

PROBE_FLOORS = $(foreach floor,core mqtt sys store stream link,$(filter $(BUILD)/obj/$(floor)/%,$(PLAIN_OBJECTS)))

# The pure floors once more, counting what they do (spec/fuzz/work.h).
COUNTED := $(patsubst csrc/%.c,$(BUILD)/counted/%.o,$(filter csrc/core/% csrc/mqtt/%,$(PLAIN))) \
           $(BUILD)/counted/spec/work.o
COUNT   := -Wl,--wrap=__sanitizer_cov_trace_pc # libFuzzer has one of its own, which ends the program

$(filter-out %/spec/work.o,$(COUNTED)): $(BUILD)/counted/%.o: csrc/%.c Makefile
	$(call compile,-fsanitize-coverage=trace-pc)

$(BUILD)/counted/spec/work.o: spec/fuzz/work.c Makefile
	$(call compile)

$(HERE)/obj/spec/%.o: spec/support/%.c Makefile
	$(call compile,-I$(LUA_INCDIR) -fvisibility=default)

# The search for leaks lets pass what the loader itself keeps: it must see the loader behind malloc, and nobody between.
$(HERE)/obj/spec/famine_probe.o: CFLAGS += -foptimize-sibling-calls

FAMINE := $(patsubst %,-Wl$(,)--wrap=%,malloc calloc realloc strdup strndup)

# The whole module on virtual time: the probe brings a clock, a keeper and a shortage of memory of its own.
$(HERE)/spec/keeper_probe.so: LDFLAGS += $(FAMINE)
$(HERE)/spec/keeper_probe.so: $(patsubst %,$(HERE)/obj/spec/%.o,keeper_probe famine lead_script mail_race post_race rival_script room_race service_script) \
    $(BINDING_OBJECTS) \
    $(filter-out $(BUILD)/obj/sys/clock.o $(BUILD)/obj/keeper/thread.o $(BUILD)/obj/link/paho_%,$(PLAIN_OBJECTS))
	$(call link,$^)

$(HERE)/spec/subscriptions_probe.so: LDFLAGS += $(COUNT) $(FAMINE)
$(HERE)/spec/subscriptions_probe.so: $(HERE)/obj/spec/subscriptions_probe.o $(HERE)/obj/spec/famine.o $(COUNTED)
	$(call link,$^)

# These use such a library themselves.
$(patsubst %,$(HERE)/spec/%_probe.so,exit neighbour stream): LIBS += -lpaho-mqtt3as -lssl -lcrypto -lsqlite3

# These stand before such a library, and bring it (spec/support/front.h).
$(HERE)/spec/disk_probe.so: LIBS += -Wl,--no-as-needed -lsqlite3
$(HERE)/spec/newer_paho_probe.so: LIBS += -Wl,--no-as-needed -lpaho-mqtt3as

$(HERE)/spec/native_probe.so: LDFLAGS += $(FAMINE)
$(HERE)/spec/native_probe.so: $(patsubst %,$(HERE)/obj/spec/%.o,native_probe famine scripted_stream) $(PROBE_FLOORS)
	$(call link,$^)

$(HERE)/spec/stream_probe.so: LDFLAGS += $(FAMINE)
$(HERE)/spec/stream_probe.so: $(HERE)/obj/spec/stream_probe.o $(HERE)/obj/spec/famine.o $(PROBE_FLOORS)
	$(call link,$^)

$(HERE)/spec/store_probe.so: LDFLAGS += $(FAMINE)
$(HERE)/spec/store_probe.so: $(HERE)/obj/spec/store_probe.o $(HERE)/obj/spec/famine.o $(PROBE_FLOORS)
	$(call link,$^)

$(HERE)/spec/mqtt_probe.so: LDFLAGS += $(COUNT)
$(HERE)/spec/mqtt_probe.so: $(HERE)/obj/spec/mqtt_probe.o $(COUNTED)
	$(call link,$^)

$(HERE)/spec/%.so: $(HERE)/obj/spec/%.o $(PROBE_FLOORS)
	$(call link,$^)

$(BUILD)/spec/quic_server: $(wildcard spec/support/quic_server.c spec/support/quic_server/*.[ch]) Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(filter-out -fPIC -fvisibility=hidden,$(FLAGS)) -o $@.$$$$ $(filter %.c,$^) \
	  -lngtcp2_crypto_gnutls -lngtcp2 -lgnutls && mv -f $@.$$$$ $@

$(BUILD)/spec/quic_noise: spec/support/quic_noise.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(filter-out -fPIC -fvisibility=hidden,$(FLAGS)) -o $@.$$$$ $< && mv -f $@.$$$$ $@

# An independent implementation of QUIC. It takes minutes, so nothing else asks for it: who has it has its specs.
# A folder of crates is all that is read: Debian's.
.PHONY: quinn
quinn: $(BUILD)/spec/quinn-pipe ## an independent QUIC server and client for specs (librust-quinn-dev, cargo, rustc)

$(BUILD)/spec/quinn-pipe: $(wildcard spec/support/quinn/Cargo.toml spec/support/quinn/src/*) Makefile
	@mkdir -p $(BUILD)/quinn $(@D)
	cp -R spec/support/quinn/Cargo.toml spec/support/quinn/src $(BUILD)/quinn
	cd $(BUILD)/quinn && cargo build --offline --config 'source.crates-io.replace-with="here"' \
	  --config 'source.here.directory="$(CRATES)"'
	cp $(BUILD)/quinn/target/debug/quinn-pipe $@.$$$$ && mv -f $@.$$$$ $@

$(HERE)/interpreter: spec/support/interpreter.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(FLAGS) -I$(LUA_INCDIR) -o $@.$$$$ $< $(LUA_LIBRARY) && mv -f $@.$$$$ $@

# Fuzzers, whole programs: with libFuzzer's main if SANITIZE=fuzzer, else with one that replays a corpus.
FUZZERS    := $(filter-out replay work,$(notdir $(basename $(wildcard spec/fuzz/*.c))))
FUZZ_MAIN  := $(if $(filter fuzzer,$(SANITIZE)),,spec/fuzz/replay.c)
LUA_LIBRARY = -l$(patsubst luajit,luajit-5.1,$(INTERPRETER))

fuzzers: $(FUZZERS:%=$(HERE)/fuzz/%)

$(HERE)/fuzz/%: spec/fuzz/%.c $(FUZZ_MAIN) spec/fuzz/bytes.h spec/fuzz/work.h Makefile \
    $(filter-out $(BUILD)/obj/core/% $(BUILD)/obj/mqtt/% $(BUILD)/obj/link/fake_%,$(PLAIN_OBJECTS)) \
    $(COUNTED) $(BINDING_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(FLAGS) $(COUNT) -Ispec/fuzz -I$(LUA_INCDIR) $(if $(FUZZ_MAIN),,-fsanitize=fuzzer) \
	  -o $@ $(filter %.c %.o,$^) $(LUA_LIBRARY) $(LIBS) -lm -ldl

$(HERE)/fuzz/native $(HERE)/fuzz/proxy $(HERE)/fuzz/websocket: spec/support/scripted_stream.c # the other end of it
$(HERE)/fuzz/proxy $(HERE)/fuzz/websocket: LIBS += -lcrypto # likewise

# The bench's C programs: raw Paho and libmosquitto, a server that costs next to nothing, and the core alone.
bench-programs: $(patsubst %,$(BUILD)/bench/%,raw_paho raw_mosquitto raw_socket peer matching wire)

$(BUILD)/bench/raw_mosquitto: LIBS += -lmosquitto

$(BUILD)/bench/raw_paho: LIBS += -lpaho-mqtt3as

$(BUILD)/bench/matching: $(filter $(BUILD)/obj/core/%,$(PLAIN_OBJECTS))

$(BUILD)/bench/%: bench/%.c bench/arguments.h Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(filter-out -fPIC -fvisibility=hidden,$(FLAGS)) -o $@ $(filter %.c %.o,$^) -Wl,--as-needed $(LIBS)

-include $(PLAIN_OBJECTS:.o=.d) $(QUIC_OBJECTS:.o=.d) $(HERE)/obj/lua/quic.d $(COUNTED:.o=.d) $(BINDING_OBJECTS:.o=.d) \
  $(patsubst spec/support/%.c,$(HERE)/obj/spec/%.d,$(wildcard spec/support/*.c))

env: ## eval "$(make -s env)": the build in front of LUA_PATH and LUA_CPATH
	@.ci/env $(VERSION) '$(HERE)'

deps: ## install what is missing (Debian, apt-get)
	@.ci/deps test

test: ## everything: deps, build, lint, specs on every Lua; ONLY=text takes the spec files whose path has it
	@.ci/test $(if $(ONLY),--only='$(ONLY)')

# Under a sanitizer an interpreter of our own, which holds its runtime.
RUN_SPECS = HOLDFAST_BUILD='$(abspath $(HERE))' $(if $(SANITIZE),HOLDFAST_SANITIZE=$(SANITIZE)) \
            $(if $(SANITIZE),$(abspath $(HERE))/interpreter,$(INTERPRETER)) spec/run.lua $(if $(ONLY),--only='$(ONLY)') \
            $(if $(TRANSPORT),--transport='$(TRANSPORT)') $(if $(ROAD),--road='$(ROAD)')

unit: $(CORE) spec-support ## the specs that need no broker, on LUA
	@$(RUN_SPECS) --exclude-tags=broker

broker: $(CORE) spec-support ## the specs against a real broker, on LUA
	@$(RUN_SPECS) --tags=broker

roads: $(CORE) spec-support ## the specs of queue, session, policy and TLS by every road to a broker; ROAD=ws takes one
	@.ci/deps test
	@LUA=$(INTERPRETER) .ci/roads $(ROAD)

soak: $(CORE) spec-support ## what takes long: each program of spec/soak for its share of MINUTES=10
	@.ci/deps test
	@eval "$$($(MAKE) --no-print-directory -s env)"; export LUA_PATH LUA_CPATH; \
	  LUA_PATH="./?.lua;$$LUA_PATH" LUA_CPATH="$(abspath $(HERE))/spec/?.so;$$LUA_CPATH" $(INTERPRETER) spec/soak/run.lua

test-asan: ## specs and fuzzers under ASan, UBSan and the search for leaks
	@.ci/deps test
	@.ci/checks asan

test-tsan: ## specs under the thread sanitizer
	@.ci/deps test
	@.ci/checks tsan

test-gc: ## specs with a collector that never rests, and with collections at any request for memory
	@.ci/deps test
	@.ci/checks gc

cross: ## the module for armhf and mipsel, linked, and specs there, under qemu; MACHINE=armhf takes one
	@.ci/deps cross
	@for machine in $(or $(MACHINE),armhf mipsel); do .ci/machine $$machine || exit 1; done

fuzz: ## libFuzzer for SECONDS=60 in all; ONLY=name takes one of spec/fuzz
	@.ci/deps fuzz
	@SECONDS_IN_ALL='$(if $(filter environment command,$(origin SECONDS)),$(SECONDS),60)' ONLY='$(ONLY)' .ci/fuzz

bare: ## README's lines on a Debian that has nothing, SUITE=trixie; WHAT=all has the whole of `make test` there (root, debootstrap)
	@.ci/deps bare
	@ONLY='$(ONLY)' .ci/bare $(or $(SUITE),bookworm) $(WHAT)

prove: ## Frama-C on the core's arithmetic, Spin on the mailbox
	@.ci/deps prove
	@.ci/prove

lint: ## clang-format and luacheck
	@.ci/lint

demo: ## a subscriber living through a broker's death and return
	@.ci/deps demo
	@$(MAKE) --no-print-directory -s all
	@examples/demo.sh

images: all ## draws the pictures of docs/images anew: a recording of the demo, simulated fleets
	@docs/tools/record

bench: ## holdfast beside raw Paho and libmosquitto; ARGS="--help" tells more
	@.ci/deps bench
	@bench/run $(ARGS)

reference: $(CORE) ## the generated parts of docs/reference, and library/, of the comments in lua/ and the tables of the code
	@.ci/deps reference
	@eval "$$(.ci/env $(VERSION) '$(HERE)')" && $(INTERPRETER) docs/tools/reference.lua
	dot -Tsvg -o docs/reference/states.svg docs/reference/states.dot

doc: ## the site of docs/, in build/site, and in build/doc what LDoc makes of the comments in lua/
	@.ci/deps doc
	ldoc -q --dir build/doc --project holdfast lua
	PYTHONDONTWRITEBYTECODE=1 mkdocs build -q -f docs/tools/mkdocs.yml
	@docs/tools/links.py

doc-links: doc ## and whether the addresses elsewhere are there
	@docs/tools/links.py --outside

doc-pictures: doc ## and each of its pages as a picture in build/pictures: light, dark, 400 pixels wide
	@.ci/deps pictures
	@docs/tools/pictures.py

manual: $(CORE) ## the manual page of the command holdfast, and its tables in docs/command.md
	@eval "$$(.ci/env $(VERSION) '$(HERE)')"; $(INTERPRETER) docs/tools/manual.lua

# Lua 5.1 and LuaJIT look in the same folders, and what is built with the headers of either serves both: they are one
# installation, whose commands run on the Lua that was installed last.
MODULE_FOLDER  := $(DESTDIR)$(PREFIX)/share/lua/$(ABI)
LIBRARY_FOLDER := $(DESTDIR)$(LIBDIR)/lua/$(ABI)
COMMANDS       := $(notdir $(wildcard bin/*))
MANUAL_FOLDER  := $(DESTDIR)$(PREFIX)/share/man/man1
EDITORS        := $(shell find library -name '*.lua' | sort) # what LuaLS is told

install: $(CORE) $(QUIC) ## into DESTDIR PREFIX (default /usr/local), for LUA
	@for file in $(MODULES:lua/%=%); do \
	  install -D -m 644 "lua/$$file" "$(MODULE_FOLDER)/$$file" || exit 1; \
	done
	install -D -m 755 $(CORE) "$(LIBRARY_FOLDER)/holdfast/core.so"
	$(if $(QUIC),install -D -m 755 $(QUIC) "$(LIBRARY_FOLDER)/holdfast/quic.so")
	@for file in $(EDITORS); do \
	  install -D -m 644 "$$file" "$(MODULE_FOLDER)/holdfast/$$file" || exit 1; \
	done
	@for command in $(COMMANDS); do \
	  install -D -m 755 "bin/$$command" "$(DESTDIR)$(PREFIX)/bin/$$command" && \
	  sed -i '1s/lua$$/$(INTERPRETER)/' "$(DESTDIR)$(PREFIX)/bin/$$command" && \
	  install -D -m 644 "docs/man/$$command.1" "$(MANUAL_FOLDER)/$$command.1" || exit 1; \
	done
	@if [ -n "$$SUDO_UID" ] && [ "$$(id -u)" = 0 ]; then chown -R --reference=Makefile "$(BUILD)"; fi # whose checkout it is

# The commands stay while another Lua's modules are there: they name the Lua that they run on.
uninstall: ## what install with the same DESTDIR, PREFIX and LUA has put there
	@for file in $(MODULES:lua/%=%); do rm -f "$(MODULE_FOLDER)/$$file"; done
	@for file in $(EDITORS); do rm -f "$(MODULE_FOLDER)/holdfast/$$file"; done
	rm -f "$(LIBRARY_FOLDER)/holdfast/core.so" "$(LIBRARY_FOLDER)/holdfast/quic.so"
	@for command in $(COMMANDS); do \
	  if head -n 1 "$(DESTDIR)$(PREFIX)/bin/$$command" 2>/dev/null | grep -q ' $(INTERPRETER)$$'; then \
	    rm -f "$(DESTDIR)$(PREFIX)/bin/$$command" "$(MANUAL_FOLDER)/$$command.1"; \
	  fi; \
	done
	@for folder in "$(MODULE_FOLDER)" "$(LIBRARY_FOLDER)"; do \
	  find "$$folder/holdfast" "$$folder/resty" -depth -type d -empty -delete 2>/dev/null || :; \
	done

package: ## Debian's packages in build/package, tried; of the others what this machine can, see packaging/
	@.ci/deps package
	@packaging/build

release: ## after all checks, what a release is made of in build/release, and a tag; pushes nothing. DRY_RUN=1 only says it
	@MINUTES='$(MINUTES)' .ci/release

clean: ## remove what was built, by LuaRocks too
	rm -rf build holdfast/core.so holdfast/quic.so
	find csrc -name '*.o' -delete

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 15

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all spec-support bench-programs fuzzers env deps test unit broker roads soak test-asan test-tsan test-gc cross fuzz \
        bare prove lint demo images bench reference doc doc-links doc-pictures manual install uninstall package release clean help
