// One test per scenario file, and one that all files together reach every rare branch of the core. With QUORATE_TRACE
// set, every step of the scenarios that run is told.
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "consensus/coverage.hpp"
#include "tests/scenarios/interpreter.hpp"
#include "tests/scenarios/script.hpp"

namespace quorate::scenario {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(QUORATE_SOURCE_DIR) / "tests" / "scenarios";

std::vector<std::string> scenario_files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kFolder)) {
    const std::filesystem::path file = std::filesystem::relative(entry.path(), kFolder);
    if (file.extension() == ".txt" && file.has_parent_path()) files.push_back(file.string());
  }
  std::ranges::sort(files);
  return files;
}

std::vector<Script> scripts_in(const std::string& file) {
  std::ifstream input(kFolder / file);
  std::stringstream text;
  text << input.rdbuf();
  return parse_script("tests/scenarios/" + file, text.str());
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = std::filesystem::path(info.param).replace_extension().string();
  std::ranges::replace_if(name, [](unsigned char character) { return std::isalnum(character) == 0; }, '_');
  return name;
}

class ScenarioFile : public ::testing::TestWithParam<std::string> {};

/// Twice, because the same scenario must say the same things every time (U12).
TEST_P(ScenarioFile, Holds) {
  try {
    for (const Script& script : scripts_in(GetParam())) {
      Coverage coverage;
      Interpreter first(coverage, std::getenv("QUORATE_TRACE") == nullptr ? nullptr : &std::cout);
      first.execute(script);
      Interpreter second(coverage);
      second.execute(script);
      EXPECT_EQ(first.digest(), second.digest()) << script.file << ": two runs differ";
    }
  } catch (const ScriptError& error) {
    ADD_FAILURE() << error.what();
  }
}

/// The same stories with the real write-ahead log under them. Atoms are a notion of the model: where it is torn is up
/// to the files then.
TEST_P(ScenarioFile, HoldsOnFiles) {
  try {
    for (const Script& script : scripts_in(GetParam())) {
      if (script.needs("promises")) GTEST_SKIP() << "the log keeps promises in more than one place";
      Coverage coverage;
      Interpreter interpreter(coverage);
      interpreter.prefer_files();
      interpreter.execute(script);
    }
  } catch (const ScriptError& error) {
    ADD_FAILURE() << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Files, ScenarioFile, ::testing::ValuesIn(scenario_files()), test_name);

/// What a number in a comment means is looked up there.
TEST(Scenarios, AreListed) {
  std::ifstream input(std::filesystem::path(QUORATE_SOURCE_DIR) / "docs" / "scenarios.md");
  std::stringstream page;
  page << input.rdbuf();
  for (const std::string& file : scenario_files()) {
    EXPECT_NE(page.str().find("](../tests/scenarios/" + file + ")"), std::string::npos)
        << file << " is not listed in docs/scenarios.md";
  }
}

TEST(Scenarios, ReachEveryRareBranch) {
  Coverage coverage;
  std::size_t scenarios = 0;
  for (const std::string& file : scenario_files()) {
    try {
      for (const Script& script : scripts_in(file)) {
        Interpreter(coverage).execute(script);
        ++scenarios;
      }
    } catch (const ScriptError& error) {
      ADD_FAILURE() << error.what();
    }
  }
  std::cout << scenarios << " scenarios in " << scenario_files().size() << " files\n";
  for (std::size_t mark = 0; mark < kMarkCount; ++mark) {
    const char* name = name_of(static_cast<Mark>(mark));
    std::cout << "  " << coverage.counts[mark] << " x " << name << "\n";
    EXPECT_GT(coverage.counts[mark], 0U) << "no scenario reaches '" << name << "'";
  }
}

}  // namespace
}  // namespace quorate::scenario
