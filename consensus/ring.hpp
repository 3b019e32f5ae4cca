// A double-ended queue in one circular buffer that grows by doubling and is reused for ever. std::deque allocates a
// block for every few hundred bytes that pass through it; a queue that is filled at one end and emptied at the other
// allocates nothing here once it has been as long as it gets. Growing invalidates references and iterators.
//
// A plain value: copied, compared, moved as a vector is. Copies are as small as their contents.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

#include "consensus/assert.hpp"

namespace quorate {

template <class T>
class Ring {
  template <bool kIsConst>
  class Iterator;

 public:
  using value_type = T;
  using size_type = std::size_t;
  using reference = T&;
  using const_reference = const T&;
  using iterator = Iterator<false>;
  using const_iterator = Iterator<true>;

  Ring() = default;
  Ring(const Ring& other) {
    reserve(other.size_);
    for (const T& element : other) push_back(element);
  }
  Ring(Ring&& other) noexcept
      : slots_(std::exchange(other.slots_, nullptr)),
        capacity_(std::exchange(other.capacity_, 0)),
        first_(std::exchange(other.first_, 0)),
        size_(std::exchange(other.size_, 0)) {}
  Ring& operator=(Ring other) noexcept {
    std::swap(slots_, other.slots_);
    std::swap(capacity_, other.capacity_);
    std::swap(first_, other.first_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Ring() {
    clear();
    if (slots_ != nullptr) std::allocator<T>().deallocate(slots_, capacity_);
  }

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

  [[nodiscard]] T& operator[](std::size_t at) { return *slot(at); }
  [[nodiscard]] const T& operator[](std::size_t at) const { return *slot(at); }
  [[nodiscard]] T& front() { return checked(0); }
  [[nodiscard]] const T& front() const { return const_cast<Ring*>(this)->checked(0); }
  [[nodiscard]] T& back() { return checked(size_ - 1); }
  [[nodiscard]] const T& back() const { return const_cast<Ring*>(this)->checked(size_ - 1); }

  template <class... Args>
  T& emplace_back(Args&&... args) {
    if (size_ == capacity_) {
      // Made before anything moves: an argument may refer to an element.
      T element(std::forward<Args>(args)...);
      reserve(capacity_ == 0 ? kCapacityFirst : 2 * capacity_);
      return *std::construct_at(slot(size_++), std::move(element));
    }
    return *std::construct_at(slot(size_++), std::forward<Args>(args)...);
  }
  void push_back(const T& element) { emplace_back(element); }
  void push_back(T&& element) { emplace_back(std::move(element)); }
  void pop_front() {
    std::destroy_at(&checked(0));
    first_ = (first_ + 1) & (capacity_ - 1);
    --size_;
  }
  void pop_back() {
    std::destroy_at(&checked(size_ - 1));
    --size_;
  }
  void clear() {
    while (size_ > 0) pop_back();
    first_ = 0;
  }

  [[nodiscard]] iterator begin() { return {this, 0}; }
  [[nodiscard]] iterator end() { return {this, size_}; }
  [[nodiscard]] const_iterator begin() const { return {this, 0}; }
  [[nodiscard]] const_iterator end() const { return {this, size_}; }

  friend bool operator==(const Ring& left, const Ring& right) { return std::ranges::equal(left, right); }

 private:
  static constexpr std::size_t kCapacityFirst = 4;
  static_assert(std::is_nothrow_move_constructible_v<T>, "growing must not fail half way");

  template <bool kIsConst>
  class Iterator {
    using Owner = std::conditional_t<kIsConst, const Ring, Ring>;

   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using reference = std::conditional_t<kIsConst, const T&, T&>;
    using pointer = std::conditional_t<kIsConst, const T*, T*>;

    Iterator() = default;
    Iterator(Owner* owner, std::size_t at) : owner_(owner), at_(at) {}
    template <bool kOther>
      requires(kIsConst && !kOther)
    Iterator(const Iterator<kOther>& other)  // NOLINT(google-explicit-constructor): as every container's iterator
        : owner_(other.owner_), at_(other.at_) {}

    reference operator*() const { return (*owner_)[at_]; }
    pointer operator->() const { return &(*owner_)[at_]; }
    reference operator[](difference_type offset) const { return *(*this + offset); }

    Iterator& operator+=(difference_type offset) {
      at_ = static_cast<std::size_t>(static_cast<difference_type>(at_) + offset);
      return *this;
    }
    Iterator& operator-=(difference_type offset) { return *this += -offset; }
    Iterator& operator++() { return *this += 1; }
    Iterator& operator--() { return *this -= 1; }
    Iterator operator++(int) { return std::exchange(*this, *this + 1); }
    Iterator operator--(int) { return std::exchange(*this, *this - 1); }
    friend Iterator operator+(Iterator left, difference_type offset) { return left += offset; }
    friend Iterator operator+(difference_type offset, Iterator right) { return right += offset; }
    friend Iterator operator-(Iterator left, difference_type offset) { return left -= offset; }
    friend difference_type operator-(const Iterator& left, const Iterator& right) {
      return static_cast<difference_type>(left.at_) - static_cast<difference_type>(right.at_);
    }
    friend bool operator==(const Iterator& left, const Iterator& right) { return left.at_ == right.at_; }
    friend auto operator<=>(const Iterator& left, const Iterator& right) { return left.at_ <=> right.at_; }

   private:
    friend class Iterator<true>;

    Owner* owner_ = nullptr;
    std::size_t at_ = 0;
  };

  /// The slot of the nth element, whether there is one yet or not.
  [[nodiscard]] T* slot(std::size_t at) const { return slots_ + ((first_ + at) & (capacity_ - 1)); }
  [[nodiscard]] T& checked(std::size_t at) {
    QUORATE_ASSERT(at < size_);
    return *slot(at);
  }

  void reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    capacity = std::bit_ceil(capacity);
    T* const larger = std::allocator<T>().allocate(capacity);
    for (std::size_t at = 0; at < size_; ++at) {
      std::construct_at(larger + at, std::move(*slot(at)));
      std::destroy_at(slot(at));
    }
    if (slots_ != nullptr) std::allocator<T>().deallocate(slots_, capacity_);
    slots_ = larger;
    capacity_ = capacity;
    first_ = 0;
  }

  T* slots_ = nullptr;
  std::size_t capacity_ = 0;  ///< 0, or a power of two
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace quorate
