# One call per folder of src/: a static library, its unit tests, and its declared arrows.
#
#   consort_module(store SOURCES a.cc b.cc TESTS a_test.cc DEPENDS contract LIBS SQLite::SQLite3)
#
# Tests of one folder are one GoogleTest program, `<folder>_tests`, with the ctest label `unit`.
# Slower ones are separate programs made by consort_test(NAME ... LABEL model|data|long).
set(CONSORT_PCH_HEADERS <algorithm> <cstdint> <functional> <map> <memory> <optional> <span> <string>
    <string_view> <unordered_map> <utility> <variant> <vector>)

function(consort_test name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE CONSORT_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                             CONSORT_BINARY_DIR="${CMAKE_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}")
endfunction()

function(consort_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;TESTS;DEPENDS;LIBS" ${ARGN})
  set(target consort_${name})
  add_library(${target} STATIC ${ARG_SOURCES})
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(${target} PUBLIC consort_options ${ARG_LIBS})
  foreach(dep ${ARG_DEPENDS})
    target_link_libraries(${target} PUBLIC consort_${dep})
  endforeach()
  if(NOT CONSORT_SANITIZE)
    target_precompile_headers(${target} PRIVATE ${CONSORT_PCH_HEADERS})
  endif()
  if(ARG_TESTS AND CONSORT_TESTS)
    consort_test(${name}_tests SOURCES ${ARG_TESTS} LIBS ${target} LABEL unit)
  endif()
endfunction()

# A libFuzzer entry point. Without CONSORT_LIBFUZZER the target still builds, linked with a driver
# that replays files, so that seeds run in ctest and a target can never rot.
function(consort_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
  if(CONSORT_LIBFUZZER)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/fuzz/replay_main.cc)
  endif()
  file(GLOB seeds CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/fuzz/seeds/${name}/*)
  if(seeds)
    add_test(NAME ${name}_seeds COMMAND ${name} -runs=0 ${seeds})
    set_tests_properties(${name}_seeds PROPERTIES LABELS unit)
  endif()
endfunction()
