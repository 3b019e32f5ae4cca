// Variables of the environment in settings, and files that are none.
#include "server/settings/settings_text.hpp"

#include <filesystem>
#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scratch_directory.hpp"

namespace quorate::settings {
namespace {

using ::testing::HasSubstr;

Environment environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    static const std::map<std::string, std::string> kVariables{{"HOME_2", "here"}, {"EMPTY", ""}, {"A", "$B"}};
    const auto found = kVariables.find(name);
    return found == kVariables.end() ? std::nullopt : std::optional(found->second);
  };
}

std::string expanded(const std::string& text) { return with_variables(text, "file", environment()).value(); }

TEST(SettingsText, VariablesAreReplaced) {
  EXPECT_EQ(expanded(""), "");
  EXPECT_EQ(expanded("no variables"), "no variables");
  EXPECT_EQ(expanded("$HOME_2/x"), "here/x");
  EXPECT_EQ(expanded("a${HOME_2}b$EMPTY."), "ahereb.");
  EXPECT_EQ(expanded("$HOME_2$HOME_2"), "herehere");
  EXPECT_EQ(expanded("$A"), "$B") << "once";
}

TEST(SettingsText, ADollarAloneIsOne) {
  for (const char* text : {"$", "5$", "$5", "$$", "${}", "${1}", "${A", "$ A", "${A B}"})
    EXPECT_EQ(expanded(text), text);
}

TEST(SettingsText, AVariableThatIsNotSetIsAnError) {
  const auto text = with_variables("$NOWHERE/x", "file", environment());
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().message, HasSubstr("file: there is no environment variable NOWHERE"));
}

TEST(SettingsText, WhatVariablesMakeOfAFileIsBounded) {
  const Environment large = [](const std::string&) { return std::optional(std::string(100'000, 'x')); };
  EXPECT_TRUE(with_variables("$A$A", "file", large));
  EXPECT_FALSE(with_variables("$A$A$A", "file", large));
}

TEST(SettingsText, TheProcessHasAnEnvironment) {
  EXPECT_TRUE(process_environment()("PATH"));
  EXPECT_FALSE(process_environment()("NO_SUCH_VARIABLE_OF_QUORATE"));
}

TEST(SettingsText, FilesThatCannotBeRead) {
  const quorate::testing::ScratchDirectory directory;
  const std::string file = directory.path() + "/settings";
  EXPECT_EQ(read_settings(file).error().kind, ErrorKind::kNotFound);
  EXPECT_FALSE(read_settings(directory.path()));
  std::ofstream(file) << std::string(kSettingsBytesMax, ' ');
  EXPECT_EQ(read_settings(file)->size(), kSettingsBytesMax);
  std::ofstream(file) << std::string(kSettingsBytesMax + 1, ' ');
  EXPECT_THAT(read_settings(file).error().message, HasSubstr("larger than"));
}

}  // namespace
}  // namespace quorate::settings
