# Compiler settings shared by every target of this project. They live on an interface target that is linked with
# $<BUILD_INTERFACE:...>, so that nothing of them reaches a project that uses the installed package.
include_guard()
include(GNUInstallDirs)

option(QUORATE_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(QUORATE_BUILD_BENCH "Build the benchmarks" OFF)
option(QUORATE_WARNINGS_AS_ERRORS "Treat warnings as errors" OFF)
set(QUORATE_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")
option(QUORATE_COVERAGE "Build with clang's source-based coverage" OFF)
option(QUORATE_FUZZ "Build the libFuzzer targets (clang only)" OFF)

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

add_library(quorate_build_flags INTERFACE)
target_compile_features(quorate_build_flags INTERFACE cxx_std_20)
# Aggregates with defaulted members are initialised by naming the members that differ: that is no missing initializer.
target_compile_options(quorate_build_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wno-missing-field-initializers)
# The stable algorithms of libstdc++ 12 use what it marks as deprecated itself; only clang complains. g++ still warns of
# deprecated things that are ours to avoid.
target_compile_options(quorate_build_flags INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>)
# What g++ 12 says after inlining about moved-from variants and strings is mostly wrong, and depends on the optimiser's
# mood: clang and the sanitizers watch over what these are meant to find.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(quorate_build_flags INTERFACE
    -Wno-maybe-uninitialized -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
endif()
# g++ spends a tenth of its time on collecting garbage that a compiler of a few seconds need not collect.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(quorate_build_flags INTERFACE
    "SHELL:--param ggc-min-expand=1000" "SHELL:--param ggc-min-heapsize=1500000")
endif()
if(QUORATE_WARNINGS_AS_ERRORS)
  target_compile_options(quorate_build_flags INTERFACE -Werror)
endif()
if(QUORATE_SANITIZE)
  target_compile_options(quorate_build_flags INTERFACE
    -fsanitize=${QUORATE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(quorate_build_flags INTERFACE -fsanitize=${QUORATE_SANITIZE})
endif()
if(QUORATE_COVERAGE)
  target_compile_options(quorate_build_flags INTERFACE
    -fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc)
  target_link_options(quorate_build_flags INTERFACE -fprofile-instr-generate)
endif()
if(QUORATE_FUZZ)
  target_compile_options(quorate_build_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# A build from nothing takes half the time when files are compiled in groups (CMAKE_UNITY_BUILD). In such a group, a
# class that a .cpp file defines looks like one that a header defines with names of a single .cpp file.
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(quorate_build_flags INTERFACE -Wno-subobject-linkage)
endif()

# quorate_compile_alone(<file>...): these stay out of the groups, for names in their anonymous namespaces that others of
# their target use for other things.
function(quorate_compile_alone)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  target_link_options(quorate_build_flags INTERFACE -fuse-ld=mold)
endif()

# Libraries of which only headers are used, and only by our .cpp files: whoever links to the installed package needs
# none of them.
set(QUORATE_HEADER_ONLY_LIBRARIES cereal::cereal Boost::headers)

# quorate_library(<room> HEADERS ... SOURCES ... PUBLIC_LIBS ... PRIVATE_LIBS ...)
# One static library per room: target quorate_<room>, alias quorate::<room>, headers installed under include/quorate.
function(quorate_library room)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES;PUBLIC_LIBS;PRIVATE_LIBS" ${ARGN})
  set(target quorate_${room})
  add_library(${target} STATIC)
  add_library(quorate::${room} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${room} VERIFY_INTERFACE_HEADER_SETS ON)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_sources(${target} PRIVATE ${ARG_SOURCES}
                 PUBLIC FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}" FILES ${ARG_HEADERS})
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                                              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/quorate>)
  foreach(library IN LISTS ARG_PRIVATE_LIBS)
    if(library IN_LIST QUORATE_HEADER_ONLY_LIBRARIES)
      set(library $<BUILD_INTERFACE:${library}>)
    endif()
    target_link_libraries(${target} PRIVATE ${library})
  endforeach()
  target_link_libraries(${target} PUBLIC ${ARG_PUBLIC_LIBS} PRIVATE $<BUILD_INTERFACE:quorate_build_flags>)
  set_property(GLOBAL APPEND PROPERTY QUORATE_LIBRARIES ${target})
endfunction()
