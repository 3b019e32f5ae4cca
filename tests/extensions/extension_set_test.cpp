// Extensions from files, directories and archives, friendly and hostile ones.
#include "server/extensions/extension_set.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include "server/extensions/archive.hpp"
#include "tests/scratch_directory.hpp"

namespace quorate::extensions {
namespace {

namespace fs = std::filesystem;

using quorate::testing::ScratchDirectory;

struct Entry {
  std::string path;
  std::string content = "content";
  unsigned type = AE_IFREG;
  std::string link_to;
};

enum class Form { kZip, kTarGz };

void write_archive(const std::string& file, Form form, const std::vector<Entry>& entries) {
  archive* const out = archive_write_new();
  if (form == Form::kZip) {
    archive_write_set_format_zip(out);
  } else {
    archive_write_add_filter_gzip(out);
    archive_write_set_format_pax_restricted(out);
  }
  ASSERT_EQ(archive_write_open_filename(out, file.c_str()), ARCHIVE_OK);
  for (const Entry& entry : entries) {
    archive_entry* const header = archive_entry_new();
    archive_entry_set_pathname(header, entry.path.c_str());
    archive_entry_set_filetype(header, entry.type);
    archive_entry_set_perm(header, 0644);
    if (entry.type == AE_IFLNK) archive_entry_set_symlink(header, entry.link_to.c_str());
    const bool has_content = entry.type == AE_IFREG;
    archive_entry_set_size(header, has_content ? static_cast<la_int64_t>(entry.content.size()) : 0);
    ASSERT_EQ(archive_write_header(out, header), ARCHIVE_OK) << archive_error_string(out);
    if (has_content) archive_write_data(out, entry.content.data(), entry.content.size());
    archive_entry_free(header);
  }
  archive_write_close(out);
  archive_write_free(out);
}

class Extensions : public ::testing::TestWithParam<Form> {
 protected:
  std::string archive_of(const std::vector<Entry>& entries) {
    std::string file = scratch_.below(GetParam() == Form::kZip ? "a.zip" : "a.tar.gz");
    write_archive(file, GetParam(), entries);
    return file;
  }
  std::string problem_of(const std::vector<Entry>& entries) {
    const auto installed = install(archive_of(entries), home_);
    return installed ? "none" : installed.error().message;
  }

  ScratchDirectory scratch_;
  std::string home_ = scratch_.below("data/extensions");
};

INSTANTIATE_TEST_SUITE_P(Forms, Extensions, ::testing::Values(Form::kZip, Form::kTarGz),
                         [](const auto& form) { return form.param == Form::kZip ? "Zip" : "TarGz"; });

TEST_P(Extensions, FromArchives) {
  const auto installed = install(archive_of({{"./", "", AE_IFDIR},
                                             {"./b.so", std::string(300'000, 'b')},
                                             {"a.so", "a"},
                                             {"README.md", "read"},
                                             {".hidden.so", ""}}),
                                 home_);
  ASSERT_TRUE(installed) << installed.error().message;
  EXPECT_EQ(installed->names, (std::vector<std::string>{"a.so", "b.so"}));
  EXPECT_EQ(fs::file_size(home_ + "/b.so"), 300'000);
  EXPECT_FALSE(fs::exists(home_ + "/README.md"));
}

TEST_P(Extensions, NothingLeavesTheDirectory) {
  EXPECT_NE(problem_of({{"../out.so"}}).find("is in a directory"), std::string::npos);
  EXPECT_NE(problem_of({{"a/b.so"}}).find("is in a directory"), std::string::npos);
  EXPECT_NE(problem_of({{"/out.so"}}).find("is in a directory"), std::string::npos);
  EXPECT_NE(problem_of({{"a.so", "", AE_IFLNK, "/etc/passwd"}}).find("is a link"), std::string::npos);
  EXPECT_FALSE(fs::exists(scratch_.below("data/out.so")));
}

TEST_P(Extensions, NamesAreUnique) {
  EXPECT_NE(problem_of({{"a.so"}, {"./a.so"}}).find("another extension has the same name"), std::string::npos);
}

TEST_P(Extensions, SomethingHasToBeInThem) {
  EXPECT_NE(problem_of({{"README.md"}}).find("holds no extension"), std::string::npos);
}

TEST_P(Extensions, SizesAndNumbersAreBounded) {
  Allowance small{.files = 1, .bytes = 10};
  fs::create_directories(home_);
  const auto large = unpack(archive_of({{"a.so", std::string(11, 'x')}}), home_, small);
  ASSERT_FALSE(large);
  EXPECT_NE(large.error().message.find("larger than"), std::string::npos);
  small = {.files = 1, .bytes = 10};
  const auto many = unpack(archive_of({{"b.so", "x"}, {"c.so", "x"}}), home_, small);
  ASSERT_FALSE(many);
  EXPECT_NE(many.error().message.find("more than"), std::string::npos);
}

TEST_P(Extensions, DamagedArchivesAreRefused) {
  const std::string file = archive_of({{"a.so", std::string(100'000, 'a')}, {"b.so", std::string(100'000, 'b')}});
  fs::resize_file(file, fs::file_size(file) / 2);
  EXPECT_FALSE(install(file, home_));
  std::ofstream(file) << "PK\x03\x04 and nothing else";
  EXPECT_FALSE(install(file, home_));
}

TEST(ExtensionFiles, FromFilesAndDirectories) {
  const ScratchDirectory scratch;
  const std::string home = scratch.below("data/extensions");
  fs::create_directories(scratch.below("many"));
  std::ofstream(scratch.below("many/b.so")) << "b";
  std::ofstream(scratch.below("many/notes.txt")) << "n";
  write_archive(scratch.below("many/more.zip"), Form::kZip, {{"c.so"}});
  std::ofstream(scratch.below("a.so")) << "a";
  const auto installed = install(scratch.below("a.so") + "," + scratch.below("many"), home);
  ASSERT_TRUE(installed) << installed.error().message;
  EXPECT_EQ(installed->names, (std::vector<std::string>{"a.so", "b.so", "c.so"}));
  EXPECT_TRUE(fs::path(installed->files().front()).is_absolute());
  const auto fewer = install(scratch.below("a.so"), home);
  ASSERT_TRUE(fewer);
  EXPECT_FALSE(fs::exists(home + "/b.so")) << "of an earlier start";
  const auto none = install("", home);
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->names.empty());
  EXPECT_FALSE(fs::exists(home));
}

TEST(ExtensionFiles, WhatIsWrongIsSaid) {
  const ScratchDirectory scratch;
  const std::string home = scratch.below("data/extensions");
  const auto says = [&](const std::string& sources, const std::string& part) {
    const auto installed = install(sources, home);
    ASSERT_FALSE(installed);
    EXPECT_NE(installed.error().message.find(part), std::string::npos) << installed.error().message;
  };
  std::ofstream(scratch.below("text")) << "text";
  std::ofstream(scratch.below("a.so")) << "a";
  fs::create_directories(scratch.below("empty"));
  says(scratch.below("nowhere"), "there is no such file");
  says(scratch.below("text"), "neither a file named *.so nor");
  says(scratch.below("empty"), "holds no extension");
  says("/dev/null", "neither a file nor a directory");
  says(scratch.below("a.so") + "," + scratch.below("a.so"), "another extension has the same name");
}

TEST(ExtensionFiles, AreTriedBeforeAnythingRuns) {
  const ScratchDirectory scratch;
  const std::string home = scratch.below("extensions");
  const auto good = install(KEPT_EXTENSION, home);
  ASSERT_TRUE(good);
  EXPECT_TRUE(try_out(*good));
  const auto refusing = install(std::string(KEPT_EXTENSION) + "," + BROKEN_EXTENSION, home);
  ASSERT_TRUE(refusing);
  const auto tried = try_out(*refusing);
  ASSERT_FALSE(tried);
  EXPECT_NE(tried.error().message.find("broken.so cannot be loaded"), std::string::npos) << tried.error().message;
  EXPECT_NE(tried.error().message.find("not today"), std::string::npos) << tried.error().message;
  std::ofstream(scratch.below("text.so")) << "no library";
  const auto text = install(scratch.below("text.so"), home);
  ASSERT_TRUE(text);
  EXPECT_FALSE(try_out(*text));
}

}  // namespace
}  // namespace quorate::extensions
