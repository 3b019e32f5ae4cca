// The one translation unit that compiles what of Asio and Beast is not a template (BOOST_ASIO_SEPARATE_COMPILATION,
// BOOST_BEAST_SEPARATE_COMPILATION): a quarter of the build time of every other one.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
