# Run at every build: fills in server/version.cpp.in with the revision that is being built, and touches the result only
# if it changed. Expects SOURCE_DIR, VERSION, TEMPLATE and OUTPUT.
execute_process(COMMAND git -c "safe.directory=${SOURCE_DIR}" describe --always --dirty --abbrev=12
                WORKING_DIRECTORY "${SOURCE_DIR}" OUTPUT_VARIABLE REVISION OUTPUT_STRIP_TRAILING_WHITESPACE
                ERROR_QUIET RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  set(REVISION "unknown") # a source archive
endif()
configure_file("${TEMPLATE}" "${OUTPUT}" @ONLY)
