# What every target of the project shares: warnings, sanitizers, and two functions that keep the
# folders' CMakeLists.txt short.

set(OFFLOAD_SANITIZER "" CACHE STRING "Value of -fsanitize= for all targets (address,undefined | thread)")

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
  add_compile_options(-fsanitize=${OFFLOAD_SANITIZER} -fno-omit-frame-pointer -O1)
  add_link_options(-fsanitize=${OFFLOAD_SANITIZER})
  if(OFFLOAD_SANITIZER MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
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

# offload_test(name LABEL unit SOURCES ... DEPS ...): one gtest binary, one ctest test.
function(offload_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE offload_options ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  add_test(NAME ${ARG_LABEL}.${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${ARG_LABEL}.${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
endfunction()
