// Runs a fuzz target without libFuzzer, as a short test for every compiler: each file of the corpus as it is, then a
// fixed number of mutations from a fixed seed. Finding something new is the work of scripts/test --fuzz.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kFreshInputBytesMax = 512;
constexpr int kMutationsMax = 8;

std::vector<Bytes> read_corpus(const std::filesystem::path& directory) {
  std::vector<Bytes> corpus;
  if (!std::filesystem::is_directory(directory)) return corpus;
  std::set<std::filesystem::path> files;  // sorted: the same seed must give the same mutations everywhere
  for (const auto& entry : std::filesystem::directory_iterator(directory)) files.insert(entry.path());
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return corpus;
}

class Mutator {
 public:
  Bytes fresh() {
    Bytes bytes(below(kFreshInputBytesMax));
    for (auto& byte : bytes) byte = any_byte();
    return bytes;
  }

  void mutate(Bytes& bytes) {
    const std::size_t at = below(bytes.size() + 1);
    const auto position = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(4)) {
      case 0: bytes.insert(position, any_byte()); break;
      case 1: bytes.erase(position, bytes.end()); break;
      case 2:
        if (position != bytes.end()) *position = kTelling[below(std::size(kTelling))];
        break;
      default:
        if (position != bytes.end()) *position ^= static_cast<std::uint8_t>(1U << below(8));
    }
  }

  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(random_() % limit); }

 private:
  static constexpr std::uint8_t kTelling[] = {0x00, 0x01, 0x7f, 0x80, 0xff};

  std::uint8_t any_byte() { return static_cast<std::uint8_t>(random_()); }

  std::mt19937_64 random_{20260101};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "Usage: %s MUTATED_INPUTS CORPUS_DIRECTORY\n", argv[0]);
    return 2;
  }
  const long runs = std::strtol(argv[1], nullptr, 10);
  const std::vector<Bytes> corpus = read_corpus(argv[2]);
  for (const Bytes& input : corpus) LLVMFuzzerTestOneInput(input.data(), input.size());

  Mutator mutator;
  for (long run = 0; run < runs; ++run) {
    Bytes input = corpus.empty() || run % 16 == 0 ? mutator.fresh() : corpus[mutator.below(corpus.size())];
    for (std::size_t left = mutator.below(kMutationsMax) + 1; left > 0; --left) mutator.mutate(input);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu inputs of the corpus and %ld mutated ones passed\n", corpus.size(), runs);
}
