#include "net/http.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace ponder::net {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(Http, EscapesAreDecoded) {
  EXPECT_EQ(decode_percent("a%2Fb%c3%A9"), "a/b\xc3\xa9");
  EXPECT_EQ(decode_percent("a+b"), "a+b");
  for (const char* const broken : {"%", "%2", "a%2", "%zz", "%-1", "%00"})
    EXPECT_EQ(decode_percent(broken), std::nullopt) << broken;
}

TEST(Http, QueriesArePairs) {
  EXPECT_EQ(query_parameters("a=1&b=x%20y+z&c&=d&&e=%zz&f=1=2"),
            (Pairs{{"a", "1"}, {"b", "x y z"}, {"c", ""}, {"f", "1=2"}}));
  EXPECT_EQ(query_parameters(""), Pairs{});
}

TEST(Http, HostsAreCompared) {
  EXPECT_EQ(host_of("LocalHost:8321"), "localhost");
  EXPECT_EQ(host_of("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(host_of("[::1]:80"), "::1");
  for (const char* const odd :
       {"", ":80", "a:", "a:b", "a:123456", "a b", "a/b", "x@a", "[::1", "[::1]x", "::1", "a,b"})
    EXPECT_EQ(host_of(odd), std::nullopt) << odd;
  EXPECT_EQ(host_of_origin("http://localhost:3000"), "localhost");
  EXPECT_EQ(host_of_origin("https://gpu1"), "gpu1");
  for (const char* const odd :
       {"null", "file://", "localhost", "http://localhost/x", "ftp://localhost"})
    EXPECT_EQ(host_of_origin(odd), std::nullopt) << odd;
}

TEST(Http, KeysAreFoundInBothFields) {
  const auto with = [](const char* name, const char* value) {
    Request request;
    request.fields = {{name, value}};
    return request;
  };
  EXPECT_TRUE(carries_key(with("authorization", "Bearer secret"), "secret"));
  EXPECT_TRUE(carries_key(with("authorization", "bearer  secret"), "secret"));
  EXPECT_TRUE(carries_key(with("x-api-key", "secret"), "secret"));
  for (const char* const wrong : {"", "Bearer", "Bearer ", "Bearer secre", "Bearer secrets",
                                  "secret", "Basic secret", "Bearer secretsecret", "Bearer Secret"})
    EXPECT_FALSE(carries_key(with("authorization", wrong), "secret")) << wrong;
  EXPECT_FALSE(carries_key({}, "secret"));
}

TEST(Http, ErrorsHaveTheFormOfTheClients) {
  const Response response = error_response(404, "no model \"x\"", "model", "model_not_found");
  EXPECT_EQ(response.status, 404);
  const Json error = parse_json(response.body, "body").at("error");
  EXPECT_EQ(error.at("message"), "no model \"x\"");
  EXPECT_EQ(error.at("type"), "not_found_error");
  EXPECT_EQ(error.at("param"), "model");
  EXPECT_EQ(error.at("code"), "model_not_found");
  EXPECT_TRUE(parse_json(error_response(500, "x").body, "body").at("error").at("param").is_null());
}

}  // namespace
}  // namespace ponder::net
