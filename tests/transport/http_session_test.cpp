// A connection without its socket: what comes out for what goes in.
#include "transport/http_session.hpp"

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/transport/http_fixture.hpp"

namespace quorate::http {
namespace {

using test::SessionFixture;

class HttpSessionTest : public SessionFixture, public testing::Test {};

TEST_F(HttpSessionTest, ParsesARequestAndWritesTheAnswer) {
  receive(
      "POST /db/execute?timings HTTP/1.1\r\nHost: node\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].method, Method::kPost);
  EXPECT_EQ(requests[0].target, "/db/execute?timings");
  EXPECT_EQ(requests[0].content_type, "text/plain");
  EXPECT_EQ(requests[0].body, "hello");
  answer(0, "world");
  EXPECT_EQ(take_output(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld");
  EXPECT_EQ(session().phase(), HttpSession::Phase::kIdle);
}

TEST_F(HttpSessionTest, TakesARequestThatArrivesByteByByte) {
  const std::string request = "POST /a HTTP/1.1\r\nHost: node\r\nContent-Length: 3\r\n\r\nabc";
  for (std::size_t i = 0; i + 1 < request.size(); ++i) {
    receive(request.substr(i, 1));
    ASSERT_TRUE(requests.empty()) << "after " << i + 1 << " bytes";
    EXPECT_EQ(session().phase(), i < request.size() - 4 ? HttpSession::Phase::kHead : HttpSession::Phase::kBody);
  }
  receive(request.substr(request.size() - 1));
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].body, "abc");
}

TEST_F(HttpSessionTest, AnswersPipelinedRequestsInTheirOrder) {
  receive(get("/0") + get("/1") + get("/2"));
  ASSERT_EQ(requests.size(), 3U);
  answer(2, "c");
  answer(1, "b");
  EXPECT_EQ(take_output(), "");
  answer(0, "a");
  EXPECT_EQ(bodies_of(take_output()), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(HttpSessionTest, AnswersAtOnceFromWithinTheHandler) {
  on_request = [](test::Received& received) { received.responder->send(Response(Status::kNoContent)); };
  receive(get("/0") + get("/1"));
  EXPECT_EQ(take_output(), "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
}

TEST_F(HttpSessionTest, LeavesFurtherRequestsInTheSocketWhenTooManyArePending) {
  context.limits.pipelined_max = 2;
  receive(get("/0") + get("/1") + get("/2"));
  EXPECT_EQ(requests.size(), 2U);
  EXPECT_FALSE(session().may_receive());
  answer(0, "");
  EXPECT_TRUE(session().may_receive());
  receive("");
  EXPECT_EQ(requests.size(), 3U);
}

TEST_F(HttpSessionTest, StopsReadingWhileTheClientDoesNotTakeItsAnswers) {
  context.limits.output_bytes_max = 100;
  receive(get("/0"));
  answer(0, std::string(200, 'x'));
  EXPECT_FALSE(session().may_receive());
  session().output().clear();
  session().sent(90);
  EXPECT_TRUE(session().may_receive());
}

TEST_F(HttpSessionTest, ClosesWhenTheClientWantsIt) {
  receive("GET / HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n" + get("/ignored"));
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_FALSE(session().is_finished());
  answer(0, "x");
  EXPECT_EQ(take_output(), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_TRUE(session().is_finished());
}

TEST_F(HttpSessionTest, Http10ClosesUnlessAskedNotTo) {
  receive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  answer(0, "");
  EXPECT_EQ(take_output(), "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n");
  EXPECT_FALSE(session().is_finished());
  receive("GET / HTTP/1.0\r\n\r\n");
  answer(1, "");
  EXPECT_TRUE(session().is_finished());
}

TEST_F(HttpSessionTest, HeadIsAnsweredWithoutABody) {
  receive("HEAD / HTTP/1.1\r\nHost: node\r\n\r\n");
  answer(0, "four");
  EXPECT_EQ(take_output(), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
}

TEST_F(HttpSessionTest, DecodesChunkedBodies) {
  receive(
      "POST / HTTP/1.1\r\nHost: node\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4;ignored=1\r\nWiki\r\n5\r\npedia\r\n0\r\nAuthorization: late\r\n\r\n" +
      get("/next"));
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].body, "Wikipedia");
  EXPECT_FALSE(requests[0].has_authorization) << "a trailer must not pass for a header";
  EXPECT_EQ(requests[1].target, "/next");
}

TEST_F(HttpSessionTest, AsksForTheBodyOfWhoeverWaits) {
  receive("POST / HTTP/1.1\r\nHost: node\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(take_output(), "HTTP/1.1 100 Continue\r\n\r\n");
  receive("ok");
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].body, "ok");
}

TEST_F(HttpSessionTest, AsksForTheBodyOnlyAfterTheAnswersBefore) {
  receive(get("/0") + "POST / HTTP/1.1\r\nHost: node\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(take_output(), "");
  answer(0, "a");
  EXPECT_TRUE(
      take_output().ends_with("a"
                              "HTTP/1.1 100 Continue\r\n\r\n"));
}

TEST_F(HttpSessionTest, IgnoresEmptyLinesBetweenRequests) {
  receive(get("/0") + "\r\n\r\n" + get("/1"));
  EXPECT_EQ(requests.size(), 2U);
}

TEST_F(HttpSessionTest, AResponderThatIsDroppedAnswers500) {
  on_request = [](test::Received& received) { received.responder.reset(); };
  receive(get("/"));
  EXPECT_EQ(take_output(), "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
}

TEST_F(HttpSessionTest, CommonHeadersAndDateAreOnEveryAnswer) {
  context.common_header_lines = "X-Common: yes\r\n";
  context.date = [] { return std::string_view("Thu, 01 Jan 1970 00:00:00 GMT"); };
  receive(get("/") + "garbage\r\n\r\n");
  answer(0, "");
  const std::string head = "\r\nX-Common: yes\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
  const std::string output = take_output();
  const std::size_t first = output.find(head);
  ASSERT_NE(first, std::string::npos) << output;
  EXPECT_NE(output.find(head, first + 1), std::string::npos) << output;
}

TEST_F(HttpSessionTest, NothingInAHeaderValueEndsTheLine) {
  receive(get("/"));
  Response response;
  response.header("Location", "x\r\nSet-Cookie: stolen=1");
  requests[0].responder->send(std::move(response));
  EXPECT_EQ(take_output(), "HTTP/1.1 200 OK\r\nLocation: x  Set-Cookie: stolen=1\r\nContent-Length: 0\r\n\r\n");
}

// --- refusals ---

struct Refusal {
  const char* what;
  std::string request;
  std::string status_line;

  friend std::ostream& operator<<(std::ostream& out, const Refusal& refusal) { return out << refusal.request; }
};

class HttpRefusalTest : public SessionFixture, public testing::TestWithParam<Refusal> {};

TEST_P(HttpRefusalTest, IsAnsweredAndEndsTheConnection) {
  context.limits.head_bytes_max = 1000;
  context.limits.body_bytes_max = 1000;
  context.limits.fields_max = 10;
  receive(GetParam().request);
  EXPECT_TRUE(requests.empty());
  const std::string output = take_output();
  EXPECT_TRUE(output.starts_with(GetParam().status_line)) << output;
  EXPECT_NE(output.find("Connection: close\r\n"), std::string::npos) << output;
  EXPECT_TRUE(session().is_finished());
  EXPECT_TRUE(session().must_linger());
  receive(get("/more"));
  EXPECT_TRUE(requests.empty()) << "what follows a refused request is not a request";
}

std::string with_header(const std::string& line, const std::string& rest = "") {
  return "POST / HTTP/1.1\r\nHost: node\r\n" + line + "\r\n\r\n" + rest;
}

std::vector<Refusal> refusals() {
  const std::string bad = "HTTP/1.1 400 ";
  std::string many_fields;
  for (int i = 0; i < 11; ++i) many_fields += "X-" + std::to_string(i) + ": 1\r\n";
  return {
      {"Garbage", "\x16\x03\x01\x02 not http at all\r\n\r\n", bad},
      {"NoVersion", "GET /\r\n\r\n", bad},
      {"Version2", "PRI * HTTP/2.0\r\n\r\n", "HTTP/1.1 505 "},
      {"NoHost", "GET / HTTP/1.1\r\n\r\n", bad},
      {"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", bad},
      {"BareLineFeed", with_header("X: a\nY: b"), bad},
      {"BlankBeforeColon", with_header("Content-Length : 3", "abc"), bad},
      {"ControlCharacter", with_header(std::string("X: a\0b", 6)), bad},
      {"TwoLengths", with_header("Content-Length: 3\r\nContent-Length: 4", "abcd"), bad},
      {"LengthAndChunked", with_header("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), bad},
      {"ChunkedAndLength", with_header("Transfer-Encoding: chunked\r\nContent-Length: 3", "0\r\n\r\n"), bad},
      {"NegativeLength", with_header("Content-Length: -1"), bad},
      {"SignedLength", with_header("Content-Length: +3", "abc"), bad},
      {"HugeLength", with_header("Content-Length: 99999999999999999999999"), bad},
      {"OtherCoding", with_header("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), "HTTP/1.1 501 "},
      {"IdentityCoding", with_header("Transfer-Encoding: identity"), "HTTP/1.1 501 "},
      {"CodingInHttp10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", bad},
      {"BodyTooLarge", with_header("Content-Length: 1001"), "HTTP/1.1 413 "},
      {"ChunkTooLarge", with_header("Transfer-Encoding: chunked", "3e9\r\n"), "HTTP/1.1 413 "},
      {"ChunksTooLarge", with_header("Transfer-Encoding: chunked", "3e8\r\n" + std::string(1000, 'x') + "\r\n1\r\n"),
       "HTTP/1.1 413 "},
      {"ChunkSizeOverflow", with_header("Transfer-Encoding: chunked", "ffffffffffffffff0\r\nx\r\n"), bad},
      {"ChunkWithoutEnd", with_header("Transfer-Encoding: chunked", "1\r\nxx\r\n0\r\n\r\n"), bad},
      {"ChunkExtensionWithoutEnd", with_header("Transfer-Encoding: chunked", "1;" + std::string(2000, 'x')),
       "HTTP/1.1 4"},
      {"HeadTooLarge", "GET / HTTP/1.1\r\nHost: node\r\nX: " + std::string(2000, 'x') + "\r\n\r\n", "HTTP/1.1 431 "},
      {"TargetTooLarge", "GET /" + std::string(2000, 'x') + " HTTP/1.1\r\nHost: node\r\n\r\n", "HTTP/1.1 431 "},
      {"HeadWithoutEnd", "GET / HTTP/1.1\r\nHost: node\r\nX: " + std::string(2000, 'x'), "HTTP/1.1 431 "},
      {"TooManyFields", "GET / HTTP/1.1\r\nHost: node\r\n" + many_fields + "\r\n", "HTTP/1.1 431 "},
      {"UnknownExpectation", with_header("Expect: 200-ok\r\nContent-Length: 1", "x"), "HTTP/1.1 417 "},
  };
}

INSTANTIATE_TEST_SUITE_P(HostileBytes, HttpRefusalTest, testing::ValuesIn(refusals()),
                         [](const auto& refusal) { return refusal.param.what; });

TEST_F(HttpSessionTest, ARefusalWaitsForTheAnswersBefore) {
  receive(get("/0") + "garbage\r\n\r\n");
  EXPECT_EQ(take_output(), "");
  EXPECT_FALSE(session().is_finished());
  answer(0, "a");
  const std::string output = take_output();
  EXPECT_LT(output.find("200 OK"), output.find("400 Bad Request")) << output;
  EXPECT_TRUE(session().is_finished());
}

TEST_F(HttpSessionTest, BodiesOfAllConnectionsShareOneLimit) {
  context.limits.buffered_body_bytes_max = 10;
  context.buffered_body_bytes = 8;
  receive("POST / HTTP/1.1\r\nHost: node\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(context.buffered_body_bytes, 10U);
  receive("c");
  EXPECT_TRUE(take_output().starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(context.buffered_body_bytes, 8U) << "what was refused is not counted any more";
}

TEST_F(HttpSessionTest, RequestsOfAllConnectionsShareOneLimit) {
  context.limits.open_requests_max = 2;
  context.open_requests = 1;  // of another connection
  receive(get("/1") + get("/2"));
  EXPECT_EQ(requests.size(), 1);
  answer(0, "1");
  const std::string output = take_output();
  EXPECT_NE(output.find("HTTP/1.1 200 OK"), std::string::npos) << output;
  EXPECT_NE(output.find("HTTP/1.1 503 "), std::string::npos) << output;
  EXPECT_EQ(context.open_requests, 1);
  receive(get("/3"));
  EXPECT_EQ(requests.size(), 2) << "there is room again, and the connection goes on";
}

TEST_F(HttpSessionTest, RequestsOfWhoeverHasGoneAreNotCounted) {
  receive(get("/1") + get("/2"));
  EXPECT_EQ(context.open_requests, 2);
  session().abandon();
  EXPECT_EQ(context.open_requests, 0);
}

TEST_F(HttpSessionTest, ABodyThatIsNotWantedIsNotReceived) {
  refusal_of_bodies = Response(Status::kUnauthorized);
  receive("POST /1 HTTP/1.1\r\nHost: node\r\nContent-Length: 1000000\r\n\r\nabc");
  EXPECT_TRUE(requests.empty());
  const std::string output = take_output();
  EXPECT_TRUE(output.starts_with("HTTP/1.1 401 Unauthorized\r\n")) << output;
  EXPECT_NE(output.find("Connection: close\r\n"), std::string::npos) << output;
  EXPECT_TRUE(session().is_finished());
  EXPECT_TRUE(session().must_linger());
}

TEST_F(HttpSessionTest, TimesOutInTheMiddleOfARequest) {
  receive("GET / HT");
  session().time_out();
  EXPECT_TRUE(take_output().starts_with("HTTP/1.1 408 "));
  EXPECT_TRUE(session().is_finished());
}

// --- the end ---

TEST_F(HttpSessionTest, ShuttingDownAnswersWhatWasReceived) {
  receive(get("/0"));
  session().end_after_pending();
  EXPECT_FALSE(session().is_finished());
  receive(get("/1"));
  EXPECT_EQ(requests.size(), 1U);
  answer(0, "a");
  EXPECT_EQ(take_output(), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na");
  EXPECT_TRUE(session().is_finished());
}

TEST_F(HttpSessionTest, AnswersThatComeAfterTheClientHasGoneAreDropped) {
  receive(get("/0") + get("/1"));
  session().abandon();
  answer(1, "b");
  requests[0].responder.reset();
  EXPECT_EQ(take_output(), "");
}

// --- streams ---

TEST_F(HttpSessionTest, StreamsInChunks) {
  receive(get("/0"));
  ResponseStream stream = requests[0].responder->stream(Response());
  std::vector<StreamState> states;
  stream.write("hello", [&](StreamState state) { states.push_back(state); });
  EXPECT_EQ(take_output(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  EXPECT_TRUE(states.empty());
  session().sent(0);
  EXPECT_EQ(states, (std::vector{StreamState::kOpen}));
  stream.finish("!");
  EXPECT_EQ(take_output(), "1\r\n!\r\n0\r\n\r\n");
  EXPECT_EQ(session().phase(), HttpSession::Phase::kIdle);
}

TEST_F(HttpSessionTest, AStreamWaitsForASlowClient) {
  context.limits.output_bytes_max = 10;
  receive(get("/0"));
  ResponseStream stream = requests[0].responder->stream(Response());
  int ready = 0;
  stream.write(std::string(100, 'x'), [&](StreamState) { ++ready; });
  session().output().clear();
  session().sent(100);
  EXPECT_EQ(ready, 0);
  session().sent(10);
  EXPECT_EQ(ready, 1);
  stream.finish();
}

TEST_F(HttpSessionTest, AStreamWaitsForTheAnswersBefore) {
  receive(get("/0") + get("/1"));
  ResponseStream stream = requests[1].responder->stream(Response());
  int ready = 0;
  stream.write("b", [&](StreamState) { ++ready; });
  session().sent(0);
  EXPECT_EQ(take_output(), "");
  EXPECT_EQ(ready, 0);
  answer(0, "a");
  EXPECT_TRUE(take_output().ends_with("aHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n"));
  session().sent(0);
  EXPECT_EQ(ready, 1);
  stream.finish();
}

TEST_F(HttpSessionTest, AStreamThatIsDroppedIsCutAndNothingFollows) {
  receive(get("/0") + get("/1"));
  {
    ResponseStream stream = requests[0].responder->stream(Response());
    stream.write("a", [](StreamState) {});
  }
  EXPECT_TRUE(take_output().ends_with("\r\n\r\n1\r\na\r\n"));
  EXPECT_TRUE(session().is_finished());
  answer(1, "b");
  EXPECT_EQ(take_output(), "");
}

TEST_F(HttpSessionTest, AStreamToAClientThatHasGoneIsToldSo) {
  receive(get("/0"));
  ResponseStream stream = requests[0].responder->stream(Response());
  std::vector<StreamState> states;
  const auto note = [&](StreamState state) { states.push_back(state); };
  stream.write("a", note);
  session().abandon();
  stream.write("b", note);
  EXPECT_EQ(states, (std::vector{StreamState::kGone, StreamState::kGone}));
}

TEST_F(HttpSessionTest, AStreamToAnHttp10ClientEndsWithTheConnection) {
  receive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ResponseStream stream = requests[0].responder->stream(Response());
  stream.write("a", [](StreamState) {});
  stream.finish();
  EXPECT_EQ(take_output(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\na");
  EXPECT_TRUE(session().is_finished());
}

/// Requests to /load come in pieces.
class HttpUploadTest : public HttpSessionTest {
 protected:
  HttpUploadTest() {
    context.limits.body_bytes_max = 1000;
    context.limits.comes_in_pieces = [](Method method, std::string_view target) {
      return method == Method::kPost && target == "/load";
    };
    taker = std::make_shared<test::KeepingTaker>();
  }
  static std::string head(std::size_t bytes, const std::string& more = {}) {
    return "POST /load HTTP/1.1\r\nHost: node\r\nContent-Length: " + std::to_string(bytes) + "\r\n" + more + "\r\n";
  }
};

TEST_F(HttpUploadTest, HandsABodyOnPieceByPieceAtThePaceOfItsTaker) {
  const std::string piece(kBodyPieceBytes, 'x');
  receive(head(2 * piece.size() + 3) + piece);
  ASSERT_EQ(taker->pieces.size(), 1U);
  EXPECT_FALSE(session().may_receive());
  EXPECT_EQ(session().phase(), HttpSession::Phase::kWaiting);
  receive(piece);
  EXPECT_EQ(taker->pieces.size(), 1U);
  taker->ready();
  EXPECT_EQ(session().phase(), HttpSession::Phase::kBody);
  receive("");
  ASSERT_EQ(taker->pieces.size(), 2U);
  taker->ready();
  receive("end" + get("/next"));
  EXPECT_EQ(taker->pieces, (std::vector<std::string>{piece, piece, "end"}));
  ASSERT_EQ(requests.size(), 2U);  // the last piece is not waited for
  EXPECT_EQ(requests[0].body, "");
  EXPECT_EQ(requests[1].target, "/next");
  EXPECT_EQ(context.buffered_body_bytes, 0U);
}

TEST_F(HttpUploadTest, LimitsOtherBodiesAsBefore) {
  receive("POST /execute HTTP/1.1\r\nHost: node\r\nContent-Length: 2000\r\n\r\n");
  EXPECT_TRUE(take_output().starts_with("HTTP/1.1 413"));
}

TEST_F(HttpUploadTest, SaysAtOnceWhenNobodyTakesIt) {
  taker = nullptr;
  receive(head(5000));
  EXPECT_TRUE(take_output().starts_with("HTTP/1.1 503"));
}

TEST_F(HttpUploadTest, LetsGoOfTheTakerWhenTheClientBreaksOff) {
  receive(head(5000) + "some of it");
  std::weak_ptr<BodyTaker> watched = taker;
  taker.reset();
  EXPECT_FALSE(watched.expired());
  session().abandon();
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace quorate::http
