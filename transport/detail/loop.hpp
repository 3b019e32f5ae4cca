// What AsioRuntime is made of. Included by the .cpp files of this room that talk to Asio, and by nothing else.
#pragma once

#include <atomic>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

namespace quorate::transport::detail {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

class Loop {
 public:
  /// One thread runs the context; the hint spares the locks that only several would need.
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> keep_running{context.get_executor()};
  std::atomic<std::thread::id> thread;
};

}  // namespace quorate::transport::detail
