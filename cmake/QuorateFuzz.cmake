# quorate_fuzz_target(<name> SOURCES ... LIBS ...)
# A parser of outside bytes under fire: the sources define LLVMFuzzerTestOneInput. With QUORATE_FUZZ they are linked to
# libFuzzer and collected in the target fuzz_targets (run by scripts/test --fuzz). In every other build they become a
# short test: the corpus and a fixed number of seeded mutations of it. The corpus, which may be empty, is
# tests/fuzz/corpus/<name>/.
include_guard()

set(QUORATE_FUZZ_SMOKE_RUNS 20000)

if(QUORATE_FUZZ)
  add_custom_target(fuzz_targets)
endif()

function(quorate_fuzz_target name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} quorate_build_flags)
  if(QUORATE_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz_targets")
    add_dependencies(fuzz_targets ${name})
  else()
    target_link_libraries(${name} PRIVATE fuzz_smoke_main)
    add_test(NAME fuzz.${name}
             COMMAND ${name} ${QUORATE_FUZZ_SMOKE_RUNS} "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}")
    set_tests_properties(fuzz.${name} PROPERTIES LABELS property TIMEOUT 120)
  endif()
endfunction()
