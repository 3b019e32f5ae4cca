# What `cmake --install` and `cpack` produce: the libraries with their headers and a CMake package, the binary with its
# systemd unit. Two components, so that a server needs no headers.
include_guard()
include(CMakePackageConfigHelpers)

set(QUORATE_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/quorate")

get_property(libraries GLOBAL PROPERTY QUORATE_LIBRARIES)
install(TARGETS ${libraries} EXPORT quorateTargets
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT development
        FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/quorate" COMPONENT development)
install(EXPORT quorateTargets NAMESPACE quorate:: DESTINATION "${QUORATE_CMAKE_DIR}" COMPONENT development)

# How a user of the package finds what our libraries are linked with. Static libraries pass on even what only their
# .cpp files use.
set(how_to_find_Boost::json "find_dependency(Boost 1.81 COMPONENTS json)")
set(how_to_find_LibArchive::LibArchive "find_dependency(LibArchive)")
set(how_to_find_OpenSSL::Crypto "find_dependency(OpenSSL)")
set(how_to_find_OpenSSL::SSL "find_dependency(OpenSSL)")
set(how_to_find_PkgConfig::cares "pkg_check_modules(cares REQUIRED IMPORTED_TARGET libcares)")
set(how_to_find_PkgConfig::re2 "pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)")
set(how_to_find_PkgConfig::xxhash "pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)")
set(how_to_find_PkgConfig::zstd "pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)")
set(how_to_find_crypt "")  # of the C library
set(how_to_find_SQLite::SQLite3 "find_dependency(SQLite3)")
set(how_to_find_Threads::Threads "find_dependency(Threads)")
set(how_to_find_fmt::fmt "find_dependency(fmt)")
set(how_to_find_spdlog::spdlog "find_dependency(spdlog)")
set(how_to_find_tl::expected "find_dependency(tl-expected)")
set(QUORATE_DEPENDENCIES "")
foreach(library IN LISTS libraries)
  get_target_property(linked ${library} LINK_LIBRARIES)
  foreach(dependency IN LISTS linked)
    if(dependency MATCHES "^quorate(::|_)|BUILD_INTERFACE")
      continue()
    elseif(NOT DEFINED how_to_find_${dependency})
      message(FATAL_ERROR "${library} is linked with ${dependency}: say here how users of the package find it")
    endif()
    list(APPEND QUORATE_DEPENDENCIES "${how_to_find_${dependency}}")
  endforeach()
endforeach()
list(REMOVE_DUPLICATES QUORATE_DEPENDENCIES)
list(JOIN QUORATE_DEPENDENCIES "\n" QUORATE_DEPENDENCIES)

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/quorateConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/quorateConfig.cmake" INSTALL_DESTINATION "${QUORATE_CMAKE_DIR}")
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/quorateConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/quorateConfig.cmake" "${PROJECT_BINARY_DIR}/quorateConfigVersion.cmake"
        DESTINATION "${QUORATE_CMAKE_DIR}" COMPONENT development)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" RENAME copyright
        DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/libquorate-dev" COMPONENT development)

if(NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" RENAME copyright
        DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/quorate" COMPONENT server)
install(FILES "${PROJECT_SOURCE_DIR}/README.md" "${PROJECT_SOURCE_DIR}/docs/operating.md"
              "${PROJECT_SOURCE_DIR}/docs/clustering.md" "${PROJECT_SOURCE_DIR}/docs/extensions.md"
              "${PROJECT_SOURCE_DIR}/docs/http-api.md" "${PROJECT_SOURCE_DIR}/docs/security.md"
              "${PROJECT_SOURCE_DIR}/packaging/quorate.default"
        DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/quorate" COMPONENT server)
# systemd looks below /usr/lib, whatever the libraries' directory is called.
install(FILES "${PROJECT_SOURCE_DIR}/packaging/quorate.service" DESTINATION lib/systemd/system COMPONENT server)

set(CPACK_GENERATOR TGZ DEB)
set(CPACK_PACKAGE_VENDOR "The Quorate authors")
set(CPACK_PACKAGE_CONTACT "The Quorate authors")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)

set(CPACK_DEBIAN_SERVER_PACKAGE_NAME quorate)
set(CPACK_DEBIAN_SERVER_PACKAGE_SECTION database)
set(CPACK_DEBIAN_SERVER_PACKAGE_SHLIBDEPS ON)
foreach(script postinst prerm postrm)
  list(APPEND CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/packaging/${script}")
endforeach()
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_COMPONENT_SERVER_DESCRIPTION "The server, its shell, the simulator and the checkers, in one binary.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libquorate-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "Static libraries, headers and a CMake package, to build upon.")
# What the CMake package looks for. Boost is the one that we were built with: distributions have several.
string(JOIN ", " CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
       "libboost-json${Boost_VERSION_MAJOR}.${Boost_VERSION_MINOR}-dev"
       libarchive-dev libc-ares-dev libexpected-dev libfmt-dev libre2-dev libspdlog-dev "libsqlite3-dev (>= 3.40)"
       libssl-dev libxxhash-dev libzstd-dev pkg-config)
include(CPack)
