// How a node queues writes (write_queue.hpp). A value.
#pragma once

#include <chrono>
#include <cstddef>

#include "consensus/types.hpp"

namespace quorate::server {

struct WriteQueueOptions {
  std::size_t capacity = 1024;                       ///< acknowledged at once up to so many
  std::size_t batch_size = 128;                      ///< executed as soon as so many are there
  Duration timeout = std::chrono::milliseconds(50);  ///< or after this long
  bool in_transactions = false;                      ///< each batch is one transaction
};

}  // namespace quorate::server
