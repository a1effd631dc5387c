# What every target of the project shares: warnings, sanitizers, and two functions that keep the
# folders' CMakeLists.txt short.

set(OFFLOAD_SANITIZER "" CACHE STRING "Value of -fsanitize= for all targets (address,undefined | thread)")
option(OFFLOAD_FUZZ "Build the fuzz targets of tests/fuzz, with clang" OFF)

find_program(OFFLOAD_CCACHE ccache)
if(OFFLOAD_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${OFFLOAD_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${OFFLOAD_CCACHE})
endif()

add_library(offload_options INTERFACE)
target_include_directories(offload_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
target_compile_options(offload_options INTERFACE -Wall -Wextra -Werror)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(offload_options INTERFACE -Wthread-safety)
else()
  # GCC 12 reports false positives from inlined standard library code with these two.
  target_compile_options(offload_options INTERFACE -Wno-error=maybe-uninitialized -Wno-missing-field-initializers)
endif()
if(OFFLOAD_SANITIZER)
  # Line tables are all that a report needs.
  add_compile_options(-fsanitize=${OFFLOAD_SANITIZER} -fno-omit-frame-pointer -O1 -g1)
  add_link_options(-fsanitize=${OFFLOAD_SANITIZER})
  if(OFFLOAD_SANITIZER MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
if(OFFLOAD_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(OFFLOAD_SANITIZER MATCHES "thread")
  # Every program gets tests/tsan/grpc_sync.cc; its symbols take the place of the libraries'.
  target_link_libraries(offload_options INTERFACE $<TARGET_OBJECTS:offload_tsan_sync> gRPC::grpc++
    absl::synchronization ${CMAKE_DL_LIBS})
endif()

# offload_library(name SOURCES a.cc ... DEPS target ...): the static library of one folder.
# A folder of headers only leaves SOURCES out.
function(offload_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(ARG_SOURCES)
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC offload_options ${ARG_DEPS})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE offload_options ${ARG_DEPS})
  endif()
endfunction()

# Presets in which scripts/test repeats the unit and component tests. Their tests are tests of the debug
# tree too, label sanitize, so that one ctest runs everything side by side; their programs must have
# been built (scripts/lib/build). Those of label fuzz likewise.
option(OFFLOAD_SANITIZE_TESTS "Add the tests of presets asan, tsan, thread-safety and fuzz" OFF)
set(OFFLOAD_SANITIZE_PRESETS asan tsan thread-safety)
# What scripts/lib/build builds in such a preset: the unit and component tests.
add_custom_target(host_tests)
# The same for preset fuzz; see tests/fuzz/CMakeLists.txt.
add_custom_target(fuzz_targets)

# offload_test(name LABEL unit SOURCES ... DEPS ...): one gtest binary, one ctest test.
function(offload_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE offload_options ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  add_test(NAME ${ARG_LABEL}.${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${ARG_LABEL}.${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
  if(ARG_LABEL MATCHES "^(unit|component)$")
    add_dependencies(host_tests ${name})
    offload_repeat_test(${name} ${ARG_TIMEOUT})
  endif()
endfunction()

# The same test, built in each sanitizer preset.
function(offload_repeat_test name timeout)
  if(NOT OFFLOAD_SANITIZE_TESTS)
    return()
  endif()
  math(EXPR timeout "4 * ${timeout}")
  file(RELATIVE_PATH folder ${PROJECT_BINARY_DIR} ${CMAKE_CURRENT_BINARY_DIR})
  foreach(preset ${OFFLOAD_SANITIZE_PRESETS})
    add_test(NAME sanitize.${preset}.${name}
      COMMAND ${PROJECT_SOURCE_DIR}/build/${preset}/${folder}/${name}
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(sanitize.${preset}.${name} PROPERTIES LABELS sanitize TIMEOUT ${timeout})
  endforeach()
endfunction()
