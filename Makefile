# Chalcis: `make` builds, `make run` talks, `make test` proves, `make help` lists the rest.
#
#   CC=clang make                    another compiler
#   SAN=address,undefined make test  sanitizers
#   HOSTILE=1 make test              tiny limits everywhere
#   ONLY=token/ make test            only the tests with this in their names (or these: a,b)
#   CC=aarch64-linux-gnu-gcc make    for 64-bit ARM
#   CHALCIS_CPU=avx2 make test       run as a smaller CPU
#   V=1 make                         show the commands
#
# Every configuration has a folder of its own under build/.  ISA flags come from a file's suffix
# (gemm_q8_avx2.c), include paths from src/LAYERS: a folder cannot see what is above it, and `make
# check` refuses what its line does not name.  GNU make only.

CC      ?= cc
ifeq ($(origin CC),default)
CC      := gcc
endif
AR      ?= ar
PREFIX  ?= /usr/local
SAN     ?=
HOSTILE ?=
V       ?=
NPM     ?= npm
Q       := $(if $(V),,@)

comma   := ,
hash    := \#
space   := $(subst ,, )
CONFIG  := $(subst $(space),-,$(strip $(notdir $(CC))))$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(HOSTILE),-hostile)
B       := build/$(CONFIG)
TARGET  := $(or $(shell $(CC) -dumpmachine 2>/dev/null),$(shell uname -m))
MACHINE := $(firstword $(subst -, ,$(TARGET)))
# Libraries of another machine than this one lie in a folder of their own (tools/sysroot.sh).
SYSROOT := $(if $(filter-out $(shell uname -m),$(filter aarch64,$(MACHINE))),$(CURDIR)/build/sysroot-arm64)
FOREIGN := $(if $(SYSROOT),-isystem $(SYSROOT)/usr/include -isystem $(SYSROOT)/usr/include/aarch64-linux-gnu)
LIBDIR  := $(SYSROOT)/usr/lib/aarch64-linux-gnu
QEMU_ARM:= qemu-aarch64-static -L /usr/aarch64-linux-gnu \
           -E LD_LIBRARY_PATH=$(CURDIR)/build/sysroot-arm64/usr/lib/aarch64-linux-gnu

WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wdouble-promotion
OPT     := $(if $(SAN),-O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all,-O3 -g)
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE $(WARN) $(OPT) -ffp-contract=off -fno-math-errno -fno-trapping-math \
              -fvisibility=default -pthread -MMD -MP $(if $(HOSTILE),-DCH_HOSTILE) $(strip $(FOREIGN) $(CFLAGS))
LIBS    := $(LDFLAGS) $(if $(SYSROOT),-L$(LIBDIR) -Wl$(comma)-rpath-link$(comma)$(LIBDIR)) -ljansson -lpcre2-8 -lutf8proc -lm -pthread

# The page of train --watch: the program is linked with libmicrohttpd where it is installed (for
# this machine), the library never.
HTTPD   := $(if $(SYSROOT),,$(shell echo '$(hash)include <microhttpd.h>' | $(CC) $(CFLAGS) -E -x c - >/dev/null 2>&1 && echo yes))
# Likewise libedit, for the lines of chat.
EDIT    := $(if $(SYSROOT),,$(shell echo '$(hash)include <histedit.h>' | $(CC) $(CFLAGS) -E -x c - >/dev/null 2>&1 && echo yes))
DEF_cli := $(if $(HTTPD),-DCH_HTTPD) $(if $(EDIT),-DCH_LIBEDIT)
LIBS_CLI:= $(if $(HTTPD),-lmicrohttpd) $(if $(EDIT),-ledit)

# ---- Which folder may see which (src/LAYERS) ---------------------------------------------------
LAYERS  := $(shell sed -n 's/^\([a-z]*\) *:.*/\1/p' src/LAYERS)
define layer
DEPS_$(1) := $$(filter-out *,$$(shell sed -n 's/^$(1) *: *//p' src/LAYERS | tr '*' ' '))
INC_$(1)  := $$(sort -Iinclude -Isrc/$(1) $$(foreach d,$$(DEPS_$(1)),$$(INC_$$(d))))
endef
$(foreach l,$(LAYERS),$(eval $(call layer,$(l))))
INC_ALL    := -Iinclude $(patsubst %/,-I%,$(wildcard src/*/))
INC_kernel += -Isrc/kernel/simd
INC_cli    := $(INC_ALL)
folder_of   = $(firstword $(subst /, ,$(1)))

# ---- ISA flags by file suffix ------------------------------------------------------------------
ifeq ($(MACHINE),x86_64)
ISA_avx2       := -mavx2 -mfma -mf16c
ISA_avxvnni    := $(ISA_avx2) -mavxvnni
ISA_avx512     := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c -mprefer-vector-width=512
ISA_avx512vnni := $(ISA_avx512) -mavx512vnni
ISA_avx512bf16 := $(ISA_avx512) -mavx512bf16
ISAS           := avx2 avxvnni avx512 avx512vnni avx512bf16
ANY_ISAS       := avx2 avx512
KERNEL_DIRS    := kernel/x86
endif
ifeq ($(MACHINE),aarch64)
ISA_neondot    := -march=armv8.2-a+dotprod
ISAS           := neon neondot
ANY_ISAS       := neon
KERNEL_DIRS    := kernel/arm
endif
isa_of = $(ISA_$(lastword $(subst _, ,$(notdir $(1)))))

# ---- Sources -----------------------------------------------------------------------------------
SRC     := $(foreach l,$(filter-out cli kernel serve,$(LAYERS)),$(wildcard src/$(l)/*.c src/$(l)/*/*.c)) \
           $(wildcard src/kernel/*.c src/kernel/c/*.c) $(foreach d,$(KERNEL_DIRS),$(wildcard src/$(d)/*.c))
ANY     := $(wildcard src/kernel/any/*.c)
CLI     := $(wildcard src/cli/*.c)
SERVE   := $(filter-out $(if $(HTTPD),src/serve/no_http.c,src/serve/server.c src/serve/http%),$(wildcard src/serve/*.c))
SRC64   := $(filter-out $(KERNEL_DIRS:%=src/%/%),$(SRC))
OBJ     := $(SRC:src/%.c=$(B)/%.o) $(foreach i,$(ANY_ISAS),$(ANY:src/%.c=$(B)/%_$(i).o))
OBJ64   := $(SRC64:src/%.c=$(B)/real64/%.o)
CLIOBJ  := $(CLI:src/%.c=$(B)/%.o) $(B)/cli/watch_page.o
SERVEOBJ:= $(SERVE:src/%.c=$(B)/%.o) $(B)/serve/page.o
TESTS   := $(filter-out tests/kcheck/% tests/gradcheck/% tests/reference/% tests/fuzz/% tests/support/%,$(wildcard tests/*/*.c))
GRAD    := $(wildcard tests/gradcheck/*.c)
KCHECK  := $(wildcard tests/kcheck/*.c)
REFER   := $(wildcard tests/reference/*.c)
FUZZ    := $(wildcard tests/fuzz/*.c)
SUPPORT := $(filter-out tests/support/json_at.c,$(wildcard tests/support/*.c))
EXAMPLES:= $(wildcard examples/*.c)

.PHONY: all run demo test test-build cross-test kcheck gradcheck bench bench-peers stats check fuzz install uninstall clean deps help
.DELETE_ON_ERROR:
.SECONDARY:

# What a user asks for builds through a make of its own, which runs in parallel; two of these at
# once would build the same files.
FRONT := all run demo test cross-test kcheck gradcheck bench bench-peers check fuzz install deps
ifneq ($(filter $(FRONT),$(or $(MAKECMDGOALS),all)),)
.NOTPARALLEL:
endif

# With as many jobs as there are CPUs, unless -j says otherwise.
J     = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 1))

all: deps ## build ./chalcis and the library
	$(Q)$(MAKE) --no-print-directory $(J) build-all
.PHONY: build-all
build-all: chalcis

# Whichever configuration was built last lies here, so its age says nothing.
chalcis: $(B)/chalcis FORCE
	$(Q)cmp -s $< $@ || { cp -f $< $@.new && mv -f $@.new $@; }

# $(B)/flags changes when the compiler or its flags do, $(B)/sources when a file comes or goes.
FLAGS = $(CC) $(CFLAGS_ALL) $(DEF_cli) $(foreach i,$(ISAS),$(ISA_$(i)))
define stamp
@mkdir -p $(@D)
@{ $(1); } >$@.new; if cmp -s $@.new $@; then rm -f $@.new; else mv -f $@.new $@; fi
endef
.PHONY: FORCE
$(B)/flags: FORCE
	$(call stamp,echo '$(subst ','\'',$(FLAGS))'; $(CC) --version)
$(B)/sources: FORCE
	$(call stamp,echo $(sort $(OBJ) $(OBJ64) $(SERVEOBJ)))

$(B)/chalcis: $(CLIOBJ) $(B)/libserve.a $(B)/libchalcis.a
	@echo "  LINK  $@"
	$(Q)$(CC) $(OPT) -o $@ $(CLIOBJ) $(B)/libserve.a $(B)/libchalcis.a $(LIBS) $(LIBS_CLI)

# The server is the program's, not the library's, which knows no HTTP.
$(B)/libserve.a: $(SERVEOBJ) $(B)/sources
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $(SERVEOBJ)

$(B)/libchalcis.a: $(OBJ) $(B)/sources
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $(OBJ)

$(B)/libchalcis64.a: $(OBJ64) $(B)/sources
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $(OBJ64)

define compile
@mkdir -p $(@D)
@echo "  CC    $(patsubst build/%,%,$@)"
$(Q)$(CC) $(CFLAGS_ALL) $(2) $(1) -c -o $@ $<
endef

define any_rule
$(B)/kernel/any/%_$(1).o: src/kernel/any/%.c $(B)/flags
	$$(call compile,$$(INC_kernel),$$(ISA_$(1)) -DISA=$(1) -include src/kernel/simd/f32_$(1).h)
endef
$(foreach i,$(ANY_ISAS),$(eval $(call any_rule,$(i))))

$(B)/real64/%.o: src/%.c $(B)/flags
	$(call compile,$(INC_$(call folder_of,$*)),-DCH_REAL_IS_DOUBLE -Wno-double-promotion)

$(B)/%.o: src/%.c $(B)/flags
	$(call compile,$(INC_$(call folder_of,$*)),$(call isa_of,$*) $(DEF_$(call folder_of,$*)))

# A file as bytes between two symbols, $(1) and $(1)_end.
define embed
$(Q)printf '.section .rodata\n.globl %s, %s_end\n%s: .incbin "%s"\n%s_end: .byte 0\n%s\n' \
    $(1) $(1) $(1) $(2) $(1) '.section .note.GNU-stack,"",%progbits' | $(CC) -c -x assembler -o $@ -
endef

# The page of train --watch (cli/watch.c).
$(B)/cli/watch_page.o: web/watch.html $(B)/flags
	@mkdir -p $(@D)
	@echo "  PAGE  $(patsubst build/%,%,$@)"
	$(call embed,ch_watch_page,$<)

# The page of serve (serve/status.c): web/chat if npm builds it, else web/plain.html; NPM= is to do
# without.  $(B)/npm changes when npm comes or goes.
$(B)/npm: FORCE
	$(call stamp,command -v '$(NPM)' || echo none)
$(B)/serve/page.o: web/plain.html $(wildcard web/chat/*.* web/chat/src/*) tools/page.sh $(B)/npm $(B)/flags
	@mkdir -p $(@D)
	@NPM='$(or $(NPM),none)' tools/page.sh $(@D)/page.html $(patsubst build/%,%,$@)
	$(call embed,ch_chat_page,$(@D)/page.html)

# ---- Tests -------------------------------------------------------------------------------------
$(B)/tests/%.o: tests/%.c $(B)/flags
	$(call compile,$(INC_ALL) -Itests/support)
$(B)/tests64/%.o: tests/%.c $(B)/flags
	$(call compile,$(INC_ALL) -Itests/support,-DCH_REAL_IS_DOUBLE -Wno-double-promotion)

SUPLIB   := $(B)/tests/libsupport.a
SUPLIB64 := $(B)/tests64/libsupport.a
TESTBIN  := $(TESTS:%.c=$(B)/%)
GRADBIN  := $(B)/tests64/gradcheck/gradcheck
EXAMPBIN := $(EXAMPLES:%.c=$(B)/%)
JSON_AT  := $(B)/tests/support/json_at
REFERBIN := $(B)/tests/reference/logits
REFER64  := $(B)/tests64/reference/logits

$(SUPLIB): $(SUPPORT:%.c=$(B)/%.o)
$(SUPLIB64): $(SUPPORT:tests/%.c=$(B)/tests64/%.o)
$(SUPLIB) $(SUPLIB64):
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(TESTBIN): $(B)/tests/%: $(B)/tests/%.o $(SUPLIB) $(B)/libserve.a $(B)/libchalcis.a
	@echo "  LINK  $@"
	$(Q)$(CC) $(OPT) -o $@ $< $(SUPLIB) $(B)/libserve.a $(B)/libchalcis.a $(LIBS) \
	    $(if $(HTTPD),-lmicrohttpd) -lcmocka

# Values of a JSON file, for tests that are scripts.
$(JSON_AT): $(JSON_AT).o
	@echo "  LINK  $@"
	$(Q)$(CC) $(OPT) -o $@ $< $(LIBS)

# What a stranger writes sees include/ alone; these two look inside.
$(B)/examples/own_sampler.o $(B)/examples/embed.o: INC_example = $(INC_generate)
INC_example = -Iinclude
$(B)/examples/%.o: examples/%.c $(B)/flags
	$(call compile,$(INC_example))
$(EXAMPBIN): $(B)/examples/%: $(B)/examples/%.o $(B)/libchalcis.a
	@echo "  LINK  $@"
	$(Q)$(CC) $(OPT) -o $@ $< $(B)/libchalcis.a $(LIBS)

$(GRADBIN): $(GRAD:tests/%.c=$(B)/tests64/%.o) $(SUPLIB64) $(B)/libchalcis64.a
	@echo "  LINK  $@"
	$(Q)$(CC) $(OPT) -o $@ $^ $(LIBS) -lcmocka

$(B)/tests/kcheck/kcheck: $(KCHECK:%.c=$(B)/%.o) $(SUPLIB) $(B)/libchalcis.a
	@echo "  LINK  $@"
	$(Q)$(CC) $(OPT) -o $@ $^ $(LIBS) -lcmocka

$(REFERBIN): $(REFER:%.c=$(B)/%.o) $(SUPLIB) $(B)/libchalcis.a
	@echo "  LINK  $@"
	$(Q)$(CC) $(OPT) -o $@ $^ $(LIBS) -lcmocka

$(REFER64): $(REFER:tests/%.c=$(B)/tests64/%.o) $(SUPLIB64) $(B)/libchalcis64.a
	@echo "  LINK  $@"
	$(Q)$(CC) $(OPT) -o $@ $^ $(LIBS) -lcmocka

# With ONLY, what tests/run.sh will run: the names are its.
wanted = $(if $(ONLY),$(if $(strip $(foreach o,$(subst $(comma), ,$(ONLY)),$(findstring $(o),$(1)))),$(2)),$(2))
test-build: $(B)/chalcis $(JSON_AT) $(EXAMPBIN) $(foreach t,$(TESTS),$(call wanted,$(t:tests/%.c=%),$(t:%.c=$(B)/%))) \
            $(call wanted,reference,$(REFERBIN)) $(call wanted,reference (double),$(REFER64)) \
            $(call wanted,kcheck,$(B)/tests/kcheck/kcheck) $(call wanted,gradcheck,$(GRADBIN))

test: deps ## build everything and run the tests (SAN=address,undefined for sanitizers)
	$(Q)$(MAKE) --no-print-directory $(J) test-build
	$(Q)B=$(B) tests/run.sh

# The kernels of another machine, its same bits, and its program beside this machine's.
CROSS       := aarch64-linux-gnu-gcc
CROSS_TESTS := kcheck,kernel/cpu,op/linear,op/attention_pages,generate/same_bits,cli/machines
cross-test: deps ## build for 64-bit ARM, test that under qemu, and compare its bits with this machine's
	$(Q)CC=$(CROSS) tools/deps.sh
	$(Q)$(MAKE) --no-print-directory $(J) $(B)/chalcis
	$(Q)$(MAKE) --no-print-directory $(J) CC=$(CROSS) NPM= ONLY=$(CROSS_TESTS) test-build
	$(Q)B=build/$(CROSS) ONLY=$(CROSS_TESTS) HERE=$(CURDIR)/$(B)/chalcis \
	    QEMU="$(QEMU_ARM)" tests/run.sh

kcheck: deps ## check every kernel variant against plain C and time it
	$(Q)$(MAKE) --no-print-directory $(J) $(B)/tests/kcheck/kcheck
	$(Q)$(B)/tests/kcheck/kcheck --time

gradcheck: deps ## check every operation's gradient in double precision
	$(Q)$(MAKE) --no-print-directory $(J) $(GRADBIN)
	$(Q)$(GRADBIN)

run: all ## let the bundled model continue a prompt
	$(Q)./chalcis run -p "Once upon a time" -n 128 --echo </dev/null

demo: all ## the whole life of a small model in a minute: train, shrink, talk
	$(Q)BIN=./chalcis DIR=build/demo tools/demo.sh

bench: all ## speed of the bundled model (pp512, tg128)
	$(Q)./chalcis bench

bench-peers: all ## the same model through llama.cpp, in turns (bench/peers/speed.sh; ALL=1: every size)
	$(Q)bench/peers/speed.sh

stats: ## sizes of files and functions against the limits
	$(Q)tools/stats.sh

check: all ## layers, sizes, exported symbols, headers alone, style
	$(Q)B=$(B) CC="$(CC)" tools/check.sh

deps: ## install the Debian packages that are missing
	$(Q)tools/deps.sh

# What is written down of commands and options comes from their own tables.
$(B)/chalcis.1: $(B)/chalcis
	$(Q)$(if $(SYSROOT),$(QEMU_ARM)) $< man >$@
$(B)/chalcis.%: $(B)/chalcis
	$(Q)$(if $(SYSROOT),$(QEMU_ARM)) $< completion $* >$@
DOCS := $(B)/chalcis.1 $(B)/chalcis.bash $(B)/chalcis.zsh $(B)/chalcis.fish

install: all $(DOCS) ## install to PREFIX (default /usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include \
	    $(DESTDIR)$(PREFIX)/share/chalcis
	install -m 755 chalcis $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(B)/libchalcis.a $(DESTDIR)$(PREFIX)/lib/
	install -m 644 include/*.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 models/*.gguf $(DESTDIR)$(PREFIX)/share/chalcis/
	install -D -m 644 $(B)/chalcis.1 $(DESTDIR)$(PREFIX)/share/man/man1/chalcis.1
	install -D -m 644 $(B)/chalcis.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/chalcis
	install -D -m 644 $(B)/chalcis.zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_chalcis
	install -D -m 644 $(B)/chalcis.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/chalcis.fish

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/chalcis $(DESTDIR)$(PREFIX)/lib/libchalcis.a \
	    $(addprefix $(DESTDIR)$(PREFIX)/include/,$(notdir $(wildcard include/*.h)))
	rm -f $(DESTDIR)$(PREFIX)/share/man/man1/chalcis.1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/chalcis \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_chalcis \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/chalcis.fish
	rm -rf $(DESTDIR)$(PREFIX)/share/chalcis

# ---- Fuzzing (clang's libFuzzer) -----------------------------------------------------------------
# The folders that read what strangers wrote, in a configuration of their own.  tests/fuzz/fuzz_<name>.c
# starts from the files in tests/fuzz/seeds/<name>; what it finds worth keeping goes to
# build/fuzz/corpus-<name>.
FUZZ_SECONDS ?= 20
FUZZ_LAYERS  := base dtype tensor file token template reply grammar sample
FUZZ_SERVE   := $(wildcard $(addprefix src/serve/,asked.c fields.c own_fields.c openai*.c anthropic*.c writ*.c))
FUZZ_FILES   := $(FUZZ_SERVE) src/compress/imatrix_read.c
FB      := build/fuzz
FUZZOBJ := $(foreach l,$(FUZZ_LAYERS),$(patsubst src/%.c,$(FB)/%.o,$(wildcard src/$(l)/*.c))) \
           $(FUZZ_FILES:src/%.c=$(FB)/%.o)
FUZZBIN := $(FUZZ:tests/fuzz/%.c=$(FB)/%)

.PHONY: fuzz-objects
fuzz-objects:
	$(Q)CC=clang SAN=fuzzer,address,undefined tools/deps.sh
	$(Q)$(MAKE) --no-print-directory $(J) CC=clang SAN=fuzzer-no-link,address,undefined B=$(FB) $(FUZZOBJ)

$(FUZZBIN): $(FB)/%: tests/fuzz/%.c fuzz-objects
	@echo "  FUZZ  $@"
	$(Q)clang -std=c11 -D_GNU_SOURCE $(WARN) -g -O1 -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=all -pthread $(INC_ALL) -o $@ $< $(FUZZOBJ) $(LIBS)

FUZZRUN := $(FUZZ:tests/fuzz/fuzz_%.c=fuzz-%)
.PHONY: $(FUZZRUN)
$(FUZZRUN): fuzz-%: $(FB)/fuzz_%
	$(Q)mkdir -p $(FB)/corpus-$*
	$(Q)$< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -verbosity=0 -print_final_stats=1 \
	    -artifact_prefix=$(FB)/ $(FB)/corpus-$* $(wildcard tests/fuzz/seeds/$*)

fuzz: ## run every fuzz target for FUZZ_SECONDS (default 20) each
	$(Q)$(MAKE) --no-print-directory --output-sync $(J) $(FUZZRUN)

clean: ## remove everything built
	rm -rf build chalcis web/chat/dist web/chat/node_modules

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
	@echo; sed -n 's/^#  /  /p' Makefile

-include $(shell find $(B) -name '*.d' 2>/dev/null)
