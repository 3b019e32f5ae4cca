// An immutable, reference-counted block of bytes: the body of a log entry or of a reply. Log, wire and disk share one
// block; copying a Payload never copies bytes. The count is atomic, so that a block may be released on another thread
// than the one that made it; the bytes never change after construction and may be read from any thread.
//
// Three states are told apart: empty (no bytes), present, and absent. Absent means "this entry has a body, but it is
// not here": a witness keeps log ids only, and a damaged record is known by its id until a peer supplies the body.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include "consensus/assert.hpp"

namespace quorate {

class Payload {
 public:
  /// The empty payload; allocates nothing.
  Payload() noexcept = default;
  Payload(const Payload& other) noexcept : block_(other.block_), absent_(other.absent_) { retain(); }
  Payload(Payload&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)), absent_(std::exchange(other.absent_, false)) {}
  Payload& operator=(Payload other) noexcept {
    std::swap(block_, other.block_);
    std::swap(absent_, other.absent_);
    return *this;
  }
  ~Payload() { release(); }

  static Payload absent() noexcept {
    Payload payload;
    payload.absent_ = true;
    return payload;
  }

  /// One allocation; `fill(std::span<std::byte>)` writes the bytes before anybody else can see them.
  template <class Fill>
  static Payload build(std::size_t size, Fill&& fill) {
    Payload payload;
    if (size == 0) return payload;
    QUORATE_ASSERT(size <= UINT32_MAX);
    void* memory = ::operator new(sizeof(Block) + size);
    payload.block_ = new (memory) Block{1, static_cast<std::uint32_t>(size)};
    fill(std::span<std::byte>(payload.block_->bytes(), size));
    return payload;
  }

  static Payload copy_of(std::span<const std::byte> bytes) {
    return build(bytes.size(), [&](std::span<std::byte> out) { std::memcpy(out.data(), bytes.data(), out.size()); });
  }
  static Payload copy_of(std::string_view text) { return copy_of(std::as_bytes(std::span(text))); }

  [[nodiscard]] bool is_absent() const noexcept { return absent_; }
  [[nodiscard]] std::size_t size() const noexcept { return block_ == nullptr ? 0 : block_->size; }
  [[nodiscard]] bool empty() const noexcept { return block_ == nullptr; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return block_ == nullptr ? std::span<const std::byte>{} : std::span<const std::byte>(block_->bytes(), block_->size);
  }
  [[nodiscard]] std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(bytes().data()), size()};
  }

  /// Equal bytes (or both absent), wherever they are stored.
  friend bool operator==(const Payload& left, const Payload& right) noexcept {
    if (left.absent_ != right.absent_) return false;
    return left.block_ == right.block_ || std::ranges::equal(left.bytes(), right.bytes());
  }

 private:
  struct Block {
    std::atomic<std::uint32_t> references;
    std::uint32_t size;
    std::byte* bytes() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
  };

  void retain() const noexcept {
    if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  void release() noexcept {
    if (block_ == nullptr || block_->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    block_->~Block();
    ::operator delete(block_);
  }

  Block* block_ = nullptr;
  bool absent_ = false;
};

}  // namespace quorate
