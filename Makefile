# make demo   set up, build, and write the competitive-intelligence report
# make test   set up, build, run the unit and model tests
# make build  set up and build build/release/consort
# Long suites: make test-asan, make test-long, make fuzz (see HACKING.md).
JOBS ?= $(shell nproc)
# The bundle of larger data; the suites that need it are left out, and said so, without it.
export CONSORT_DATA
BUILD = build/release

.PHONY: help setup models suites configure build test test-unit test-asan test-tsan test-long test-data fuzz demo demo-analysis specialists clean

help:
	@sed -n '1,4s/^# //p' Makefile

setup:
	@tools/setup.sh

models: setup
	@python3 tools/fetch_models.py

suites: setup
	@python3 tools/fetch_suites.py || true

configure: setup
	@test -f $(BUILD)/build.ninja || cmake --preset release >build-configure.log 2>&1 || { tail -20 build-configure.log; echo "make: cmake failed, see build-configure.log"; exit 1; }
	@rm -f build-configure.log

build: configure
	@echo "build: $(BUILD)/consort"
	@cmake --build $(BUILD) --target consort -- -j $(JOBS)

build-tests: configure
	@cmake --build $(BUILD) -- -j $(JOBS)

# The suites of larger data run too when CONSORT_DATA names their folder.
TEST_LABELS = unit|model$(if $(CONSORT_DATA),|data)

test: models suites build-tests
	@tools/run_tests.sh $(BUILD) '$(TEST_LABELS)'

test-unit: suites build-tests
	@tools/run_tests.sh $(BUILD) 'unit'

test-data: models suites build-tests
	@tools/run_tests.sh $(BUILD) 'data'

test-long: models suites build-tests
	@tools/run_tests.sh $(BUILD) 'unit|model|data|long'

test-asan: models
	@cmake --preset asan >/dev/null && cmake --build build/asan -- -j $(JOBS)
	@tools/run_tests.sh build/asan 'unit'

test-tsan: models
	@cmake --preset tsan >/dev/null && cmake --build build/tsan -- -j $(JOBS)
	@tools/run_tests.sh build/tsan 'unit'

fuzz: setup
	@tools/run_fuzz.sh

demo: models build
	@tools/demo.sh competitive-intelligence

demo-analysis: models build
	@tools/demo.sh data-analysis

specialists: models build ## Teach and judge the specialists (the SQL one needs CONSORT_DATA; about 30 minutes on two cores)
	sh tools/specialists/summary_sentence.sh out/specialists/summarizer-sentence
	sh tools/specialists/analyzer_sql.sh out/specialists/analyzer-sql
	sh tools/specialists/intent_router.sh out/specialists/intent-router

clean:
	rm -rf build out
