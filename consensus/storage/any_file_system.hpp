// A file system whose type is erased, for code that should be compiled once (the SQLite page store) rather than per
// file system. It satisfies the FileSystem concept itself; one virtual call per operation, which any disk dwarfs.
#pragma once

#include <memory>

#include "consensus/storage/file_system.hpp"

namespace quorate::storage {

class AnyFile {
 public:
  template <class F>
    requires(!std::same_as<F, AnyFile> && File<F>)
  explicit AnyFile(F file) : self_(std::make_unique<Model<F>>(std::move(file))) {}

  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const { return self_->read(offset, into); }
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from) { return self_->write(offset, from); }
  Result<void> sync() { return self_->sync(); }
  Result<std::uint64_t> size() const { return self_->size(); }
  Result<void> truncate(std::uint64_t size) { return self_->truncate(size); }
  Result<void> preallocate(std::uint64_t size) { return self_->preallocate(size); }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual Result<std::size_t> read(std::uint64_t, std::span<std::byte>) const = 0;
    virtual Result<void> write(std::uint64_t, std::span<const std::byte>) = 0;
    virtual Result<void> sync() = 0;
    virtual Result<std::uint64_t> size() const = 0;
    virtual Result<void> truncate(std::uint64_t) = 0;
    virtual Result<void> preallocate(std::uint64_t) = 0;
  };
  template <class F>
  struct Model final : Interface {
    explicit Model(F f) : file(std::move(f)) {}
    Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override {
      return file.read(offset, into);
    }
    Result<void> write(std::uint64_t offset, std::span<const std::byte> from) override {
      return file.write(offset, from);
    }
    Result<void> sync() override { return file.sync(); }
    Result<std::uint64_t> size() const override { return file.size(); }
    Result<void> truncate(std::uint64_t size) override { return file.truncate(size); }
    Result<void> preallocate(std::uint64_t size) override { return file.preallocate(size); }
    F file;
  };

  std::unique_ptr<Interface> self_;
};

/// Refers to a file system that outlives it and all files opened through it.
class AnyFileSystem {
 public:
  using File = AnyFile;

  template <class S>
    requires(!std::same_as<S, AnyFileSystem> && FileSystem<S>)
  explicit AnyFileSystem(S& files) : self_(std::make_shared<Model<S>>(files)) {}

  Result<AnyFile> open(const std::string& path, OpenMode mode) { return self_->open(path, mode); }
  Result<bool> exists(const std::string& path) { return self_->exists(path); }
  Result<void> rename(const std::string& from, const std::string& to) { return self_->rename(from, to); }
  Result<void> remove(const std::string& path) { return self_->remove(path); }
  Result<void> create_directories(const std::string& path) { return self_->create_directories(path); }
  Result<std::vector<std::string>> list(const std::string& path) { return self_->list(path); }
  Result<void> sync_directory(const std::string& path) { return self_->sync_directory(path); }
  Result<void> lock(const std::string& path) { return self_->lock(path); }
  Result<std::uint64_t> free_bytes() { return self_->free_bytes(); }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual Result<AnyFile> open(const std::string&, OpenMode) = 0;
    virtual Result<bool> exists(const std::string&) = 0;
    virtual Result<void> rename(const std::string&, const std::string&) = 0;
    virtual Result<void> remove(const std::string&) = 0;
    virtual Result<void> create_directories(const std::string&) = 0;
    virtual Result<std::vector<std::string>> list(const std::string&) = 0;
    virtual Result<void> sync_directory(const std::string&) = 0;
    virtual Result<void> lock(const std::string&) = 0;
    virtual Result<std::uint64_t> free_bytes() = 0;
  };
  template <class S>
  struct Model final : Interface {
    explicit Model(S& s) : files(s) {}
    Result<AnyFile> open(const std::string& path, OpenMode mode) override {
      return files.open(path, mode).map([](typename S::File file) { return AnyFile(std::move(file)); });
    }
    Result<bool> exists(const std::string& path) override { return files.exists(path); }
    Result<void> rename(const std::string& from, const std::string& to) override { return files.rename(from, to); }
    Result<void> remove(const std::string& path) override { return files.remove(path); }
    Result<void> create_directories(const std::string& path) override { return files.create_directories(path); }
    Result<std::vector<std::string>> list(const std::string& path) override { return files.list(path); }
    Result<void> sync_directory(const std::string& path) override { return files.sync_directory(path); }
    Result<void> lock(const std::string& path) override { return files.lock(path); }
    Result<std::uint64_t> free_bytes() override { return files.free_bytes(); }
    S& files;
  };

  std::shared_ptr<Interface> self_;
};

static_assert(FileSystem<AnyFileSystem>);

}  // namespace quorate::storage
