# Run at build time: writes a C++ source that holds files as constant data, so that the binary needs none of them.
# Expects DIRECTORY, FILES (relative to it, separated by "|"), OUTPUT, HEADER (which declares `Asset` and
# `FUNCTION`()), NAMESPACE and FUNCTION. Each asset has its path, its bytes and an entity tag made of them.
string(REPLACE "|" ";" files "${FILES}")
set(arrays "")
set(rows "")
set(number 0)
foreach(file IN LISTS files)
  file(READ "${DIRECTORY}/${file}" hex HEX)
  string(LENGTH "${hex}" digits)
  if(digits EQUAL 0)
    message(FATAL_ERROR "${file} is empty")
  endif()
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  file(SHA256 "${DIRECTORY}/${file}" digest)
  string(SUBSTRING "${digest}" 0 16 tag)
  string(APPEND arrays "constexpr unsigned char kFile${number}[] = {${bytes}};\n")
  string(APPEND rows "    {\"${file}\", text_of(kFile${number}), \"\\\"${tag}\\\"\"},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUTPUT}" "// Written by cmake/EmbedFiles.cmake.
#include \"${HEADER}\"

namespace ${NAMESPACE} {

namespace {

${arrays}
template <std::size_t size>
std::string_view text_of(const unsigned char (&bytes)[size]) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

std::span<const Asset> ${FUNCTION}() {
  static const Asset kAssets[] = {
${rows}  };
  return kAssets;
}

}  // namespace ${NAMESPACE}
")
