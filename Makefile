# Playtrace: a thin front to CMake and the scripts in tools/.
#
#   make         build/playtrace
#   make demo    a game of 20,000 synthetic players, from the client to the decision
#   make test    everything that holds Playtrace to its promises
#   make bench   what an event costs, beside yardsticks of the same run
#   make lint    formatting, static analysis, unfinished words
#   make clean   take build/ and demo/ away

.PHONY: all build demo test bench lint clean

all: build

build:
	@tools/setup.sh build
	@tools/build.sh release playtrace

demo: build
	@tools/demo.sh

test:
	@tools/setup.sh test
	@node tools/test.mjs

bench: build
	@tools/bench.sh

lint:
	@tools/setup.sh lint
	@tools/lint.sh

clean:
	@rm -rf build demo
