# Playtrace: a thin front to CMake and the scripts in tools/.
#
#   make         build/playtrace
#   make demo    a game of 20,000 synthetic players, from the client to the decision
#   make test    everything that holds Playtrace to its promises
#   make test-crash  1,000 rounds of kill -9, and every fault at every call
#   make bench   what an event costs, beside yardsticks of the same run
#   make lint    formatting, static analysis, unfinished words
#   make clean   take build/ and demo/ away

.PHONY: all build demo test test-crash bench lint clean

all: build

build:
	@tools/setup.sh build
	@tools/build.sh release playtrace

demo: build
	@tools/demo.sh

test:
	@tools/setup.sh test
	@node tools/test.mjs

test-crash:
	@tools/setup.sh test
	@ROUNDS=$${ROUNDS:-1000} node tools/test.mjs crash sweep

bench: build
	@tools/bench.sh

lint:
	@tools/setup.sh lint
	@tools/lint.sh

clean:
	@rm -rf build demo
